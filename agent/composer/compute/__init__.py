"""The compute contract: what a module of this package has (paper, Table 5).

Each is a generator that yields steps (core.steps) for one placed function (core.plan); the plan runs those of many
functions side by side.
    create(sf)         createSF: its namespace, its image; notes what the image can do in sf["scripts"]
    start(sf), stop(sf)
    update(old, new)   updateSF: other ports or variables for a function that runs
    pause(sf), resume(sf)
    status(sf)         returns "running", "stopped" or "failed"
    destroy(sf)        destroySF: everything of it, whatever is left; absence is fine
NAME is the vnf-type of its templates, NEEDS the programs that it calls, TECHNOLOGIES the ports that it can take.
A driver keeps no state.
"""
