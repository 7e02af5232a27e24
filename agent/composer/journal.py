"""The journal: what is being changed now, so that an agent that was killed knows where to look again.

A file for each graph, RUNTIME/changing/ID.json, holds the graph's number, because rules bear nothing else that tells
whose they are, and the numbers of the functions whose scripts are being run, because nothing tells how far those got.
RUNTIME lasts until the next boot, as the switch's rules do, so nothing of this goes to flash.
"""
import os

from .core import json

ENDING = ".json"


class Journal:
    def __init__(self, runtime):
        self.folder = runtime + "/changing"
        self.noted = {}  # {id: (number, functions)} of what this agent has noted

    def open(self, graph_id, number, functions):
        """Note that the graph of this number is about to be changed, and with it those functions of it (numbers)."""
        functions = set(functions) | self.noted.get(graph_id, (0, set()))[1]
        if self.noted.get(graph_id) == (number, functions):
            return
        os.makedirs(self.folder, 0o755, exist_ok=True)
        path = self._path(graph_id)
        with open(path + ".new", "w") as file:
            file.write(json.dumps([number, sorted(functions)]))
        os.rename(path + ".new", path)
        self.noted[graph_id] = number, functions

    def close(self, graph_id):
        """Note that the graph is as it should be; it need not have been open."""
        try:
            os.unlink(self._path(graph_id))
        except FileNotFoundError:
            pass
        self.noted.pop(graph_id, None)

    def read(self):
        """Note and return {id: (number, functions)} of the graphs that are, or were when the agent ended."""
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else ():
            graph_id, ending = name[:-len(ENDING)], name[-len(ENDING):]
            try:
                with open(os.path.join(self.folder, name)) as file:
                    number, functions = json.loads(file.read())
                if ending != ENDING or not isinstance(number, int):
                    raise ValueError(name)
                self.noted.setdefault(graph_id, (number, set(functions)))
            except (ValueError, TypeError):  # not finished: nothing of it had begun
                os.unlink(os.path.join(self.folder, name))
        return dict(self.noted)

    def _path(self, graph_id):
        return os.path.join(self.folder, graph_id + ENDING)  # an id may be ".."
