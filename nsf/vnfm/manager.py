"""vnfm/manager.py: the manager of parallel firewalls, which has the agent add one to the graph that both are part of.

    users --- trunk [load-balancer] branch:0 --- [fw1] --- branch:0 [load-balancer] trunk --- Internet
                                    branch:1 --- [fw2] --- branch:1

It reads the graph and sends it back with one change at a time.  The first adds a firewall like that of the first branch,
a port of either load balancer, and the rules between.  When that is deployed, the second lets the load balancers use the
branch (LB_BRANCHES).  What is next is seen from the graph alone: a manager that is started anew, amid it too, goes on
where the last one was.  It takes nothing away.  What somebody else changes between its reading and its sending
is not lost: the agent refuses what was made of another graph (If-Match), and it reads again.

    manager.py AGENT FIREWALLS RATE MOST LOOK   as the variables of start, which has checked them

Name and password are in the environment, where `ps` does not show them.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # which python3 -I leaves out
from agent import Agent  # noqa: E402

SOON = 0.5  # seconds until a graph that is being changed is looked at again
LONGEST = 300  # seconds between two tries of what fails
SAID = "/run/manager.said"  # since when nothing works, in seconds of the node's life, and what was said at last; for status


def balancers(graph):
    """Return the two load balancers of a graph.  Raises ValueError if it has not two."""
    found = [sf for sf in graph["SFs"] if sf["name"] == "load-balancer"]
    if len(found) != 2:
        raise ValueError("the graph has %d functions called load-balancer, not 2" % len(found))
    return found


def branches(balancer):
    """Return the numbers of a load balancer's branches: 0 is port branch:0, in the function eth1."""
    return [int(port["id"][len("branch:"):]) for port in balancer["ports"] if port["id"].startswith("branch:")]


def use(graph):
    """Let the load balancers use all branches; return whether one has to be told."""
    told = False
    for balancer in balancers(graph):
        variables = balancer.setdefault("variables", {})
        used = variables.get("LB_BRANCHES", "").split()
        more = [name for name in ["eth%d" % (number + 1) for number in branches(balancer)] if name not in used]
        variables["LB_BRANCHES"] = " ".join(used + more)
        told = told or bool(more)
    return told


def add(graph):
    """Add a branch, which is like the first one."""
    ends = balancers(graph)
    first, new = min(branches(ends[0])), max(branches(ends[0]) + branches(ends[1])) + 1
    model = [to for rule in graph["flowrules"] if rule["match"]["port_in"] == "sf:%s:branch:%d" % (ends[0]["id"], first)
             for to in outputs(rule)][0].split(":")[1]
    name = "%s%d" % (model.rstrip("0123456789"), new + 1)
    graph["SFs"] += [dict(sf, id=name) for sf in graph["SFs"] if sf["id"] == model]
    for rule in list(graph["flowrules"]):
        text = json.dumps(rule)
        if '"sf:%s:' % model in text:
            for end in ends:
                end_of = '"sf:%s:branch:%%d"' % end["id"]
                text = text.replace(end_of % first, end_of % new)
            graph["flowrules"].append(dict(json.loads(text.replace('"sf:%s:' % model, '"sf:%s:' % name)),
                                           id="%s-%s" % (rule["id"], name)))
    for end in ends:
        end["ports"].append({"id": "branch:%d" % new})


def outputs(rule):
    """Return the ports that a rule sends to."""
    actions = rule["actions"] if isinstance(rule["actions"], list) else [rule["actions"]]
    return [action["output_to_port"] for action in actions if "output_to_port" in action]


def entered(agent, path, graph):
    """Return how many packets the rules that lead from a SAP to the load balancers have seen."""
    count = 0
    for rule in graph["flowrules"]:
        kind, _, sap = rule["match"]["port_in"].partition(":")
        if kind == "service-access-point" and [one for one in balancers(graph) for to in outputs(rule)
                                               if to.startswith("sf:%s:" % one["id"])]:
            way = agent.ask("GET", "%s/trace?port_in=sap:%s" % (path, sap))
            count += max([hop["packets"] for hop in way["hops"] if hop["rule"] == rule["id"]] or [0])
    return count


class Manager:
    def __init__(self, agent, path, firewalls, rate, most):
        self.agent, self.path, self.firewalls, self.rate, self.most = agent, path, firewalls, rate, most
        self.before = None  # (packets, seconds of the clock) at the last look

    def look(self):
        """Do what is next; return whether there was something, or will be soon."""
        status = self.agent.ask("GET", self.path + "/status")
        if status["state"] != "deployed" or "confirm_within" in status:
            return True  # one that is being deleted is not put again, and one on trial not made to stay
        body = self.agent.ask("GET", self.path)
        graph = body["sffg"]
        if not use(graph):
            if len(branches(balancers(graph)[0])) >= self._wanted(graph):
                return False
            add(graph)
        self.agent.ask("PUT", self.path + "?confirm=0", body)
        self.before = None  # the counters of what was changed began anew
        return True

    def _wanted(self, graph):
        """Return how many firewalls there should be."""
        if not self.rate:
            return self.firewalls
        there, before = len(branches(balancers(graph)[0])), self.before
        self.before = now = entered(self.agent, self.path, graph), time.monotonic()
        overloaded = before and now[0] - before[0] > self.rate * there * (now[1] - before[1])
        return max(self.firewalls, min(there + 1, self.most) if overloaded else 0)


def main(address, firewalls, rate, most, look):
    host, _, port = address.partition(":")
    agent = Agent((host, int(port)), os.environ.get("VNFM_USER", ""), os.environ.get("VNFM_PASSWORD", ""))
    manager = Manager(agent, "/graphs/" + os.environ["SF_GRAPH"], int(firewalls), int(rate), int(most))
    pause, since = SOON, None  # since when nothing works
    while True:
        try:
            pause, since, said = SOON if manager.look() else int(look), None, ""
        except (OSError, ValueError, LookupError) as error:
            pause, since = min(2 * pause, LONGEST), since or time.monotonic()
            said = "%d %s\n" % (since, " ".join(str(error).split()))
        with open(SAID, "w") as file:
            file.write(said)
        time.sleep(pause)


if __name__ == "__main__":
    main(*sys.argv[1:])
