"""The compute contract: what a module of this package has (paper, Table 5).

Each is a generator that yields steps (core.steps) for one placed function (core.placing); the plan runs those of many
functions side by side.
    create(sf)         createSF: its namespace, its image, its limits; notes what the image can do in sf["scripts"]
    start(sf)          brings it into the state sf["state"]; repairs what is broken of a running one
    stop(sf)           afterwards no process of it is left, even if it fails
    update(old, new)   updateSF: other limits, cores, ports, their addresses or variables for a function that is there
    pause(sf), resume(sf)
    status(sf)         returns ("running", "stopped", "failed" or, if it cannot tell, "", and why)
    destroy(sf)        destroySF: everything of it, whatever is left; absence is fine
NAME is the vnf-type of its templates, NEEDS the programs that it calls, TECHNOLOGIES the ports that it can take.
A driver keeps no state.
"""
