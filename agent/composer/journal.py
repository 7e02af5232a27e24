"""The journal: which graphs are being changed now, so that an agent that was killed knows where to look again.

A file for each, RUNTIME/changing/ID.number, holds the graph's number: rules bear nothing else that tells whose they are.
RUNTIME lasts until the next boot, as the switch's rules do, so nothing of this goes to flash.
"""
import os


class Journal:
    def __init__(self, runtime):
        self.folder = runtime + "/changing"

    def open(self, graph_id, number):
        """Note that the graph of this number is about to be changed."""
        os.makedirs(self.folder, 0o755, exist_ok=True)
        with open(self._path(graph_id), "w") as file:
            file.write("%d" % number)

    def close(self, graph_id):
        """Note that the graph is as it should be; it need not have been open."""
        try:
            os.unlink(self._path(graph_id))
        except FileNotFoundError:
            pass

    def read(self):
        """Return {id: number} of the graphs that are, or were when the agent ended."""
        found = {}
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else ():
            with open(os.path.join(self.folder, name)) as file:
                text = file.read()
            if text.isdigit():  # else the agent ended before it began
                found[name[:-len(".number")]] = int(text)
        return found

    def _path(self, graph_id):
        return os.path.join(self.folder, graph_id + ".number")  # an id may be ".."
