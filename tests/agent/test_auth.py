"""The security manager: users of the configuration, hashes of passwords, tokens, and who may do what."""
import hashlib
import hmac
import json
import subprocess
import sys
import types

import pytest

from composer import auth, config, passwords
from composer.core.errors import BadRequest, Conflict, TooBusy, Unauthorized
from ctl import environment
from test_passwords import HASH, whole


def user(name, role, password=HASH):
    return {"name": name, "password": password, "role": role}


USERS = [user("alice", "owner"), user("bob", "owner"), user("root", "admin"), user("op", "operator"),
         user("eye", "reader")]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def manager(clock):
    return auth.Manager(config.parse({"auth": {"users": USERS, "lifetime": 60}}).auth, clock)


def login(manager, name="alice", password="correct horse"):
    return whole(manager.login(name, password, "10.0.0.1"))[0]


# The configuration.


def test_users_are_taken():
    found = config.parse({"auth": {"users": USERS, "lifetime": 60}, "listen": "0.0.0.0:80",
                          "interfaces": [{"name": "eth0", "owners": ["alice", "eye"]}, {"name": "eth1", "owners": []}]})
    assert [(one.name, one.role) for one in found.auth.users] == [(one["name"], one["role"]) for one in USERS]
    assert found.auth.users[0].password == passwords.parse(HASH) and found.auth.lifetime == 60
    assert [one.owners for one in found.interfaces] == [["alice", "eye"], []]


FORM = "composer-agent --password makes one"
REACHED = "there are no users"
BAD = [  # configuration, place, part of the message
    ({"auth": "off"}, "auth", '"none"'), ({"auth": []}, "auth", "an object"), ({"auth": None}, "auth", "an object"),
    ({"auth": {"user": []}}, "auth.user", "nearest known is users"),
    ({"auth": {"users": {}}}, "auth.users", "must be a list"),
    ({"auth": {"users": ["root"]}}, "auth.users[0]", "must be an object"),
    ({"auth": {"users": [{"name": "a", "role": "admin"}]}}, "auth.users[0].password", FORM),
    ({"auth": {"users": [{"name": "a", "password": HASH}]}}, "auth.users[0].role", "admin or operator or owner or"),
    ({"auth": {"users": [user("a b", "admin")]}}, "auth.users[0].name", "1 to 64"),
    ({"auth": {"users": [user("", "admin")]}}, "auth.users[0].name", "1 to 64"),
    ({"auth": {"users": [user("a", "root")]}}, "auth.users[0].role", "admin or operator"),
    ({"auth": {"users": [user("a", "admin"), user("a", "owner")]}}, "auth.users[1]", "auth.users[0] too"),
    ({"auth": {"users": [dict(user("a", "admin"), mail="x")]}}, "auth.users[0].mail", "unknown key"),
    ({"auth": {"lifetime": 0}}, "auth.lifetime", "seconds"), ({"auth": {"lifetime": True}}, "auth.lifetime", "seconds"),
    ({"auth": {"lifetime": "1h"}}, "auth.lifetime", "seconds"),
    ({"auth": {"lifetime": 1e9}}, "auth.lifetime", "seconds"),
    ({"auth": {"users": USERS}, "interfaces": ["a", {"name": "b", "owners": ["bob", "bib"]}]},
     "interfaces[1].owners[1]", "nearest known is bob"),
    ({"auth": {"users": USERS}, "interfaces": [{"name": "b", "owners": ["bob", "bob"]}]},
     "interfaces[0].owners[1]", "owners[0] too"),
    ({"auth": {"users": USERS}, "interfaces": [{"name": "b", "owners": "bob"}]}, "interfaces[0].owners", "a list"),
    ({"auth": "none", "interfaces": [{"name": "b", "owners": ["bob"]}]}, "interfaces[0].owners[0]", "known are none"),
    ({"listen": "0.0.0.0:8080"}, "listen", REACHED), ({"listen": ["0.0.0.0:8080"]}, "listen[0]", REACHED),
    ({"listen": ["127.0.0.1:80", "[::]:80"], "auth": {}}, "listen[1]", REACHED),
    ({"listen": ["unix:/a", "[::1]:80", "192.0.2.1:80"], "auth": {"users": []}}, "listen[2]", REACHED),
    ({"listen": "[::ffff:127.0.0.1]:80"}, "listen", REACHED), ({"listen": "[fe80::1]:80"}, "listen", REACHED),
]


@pytest.mark.parametrize("document, where, message", BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_bad_configuration_is_refused_by_place(document, where, message):
    with pytest.raises(BadRequest) as caught:
        config.parse(document, {})
    assert caught.value.where == where and message in caught.value.message, str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.255.0.1:1", "localhost:1", "[::1]:1", "[0:0:0:0:0:0:0:1]:1",
                                     "unix:/a"])
def test_without_users_this_machine_may_be_listened_to(address):
    assert config.parse({"listen": address}).listen == [address]


def test_with_users_or_none_every_address_may_be_listened_to():
    for document in ("none", {"users": USERS}):
        assert config.parse({"listen": ["0.0.0.0:80", "[::]:81"], "auth": document}).listen == ["0.0.0.0:80", "[::]:81"]


@pytest.mark.parametrize("password, code", [(HASH, 0), (HASH[:-1], 1), (HASH.upper(), 1), ("correct horse", 1)])
def test_check_tells_of_a_password_that_is_no_hash_and_does_not_show_it(tmp_path, password, code):
    done = check(tmp_path, {"auth": {"users": [user("root", "admin", password)]}, "listen": "0.0.0.0:1"})
    assert done.returncode == code and password not in done.stderr
    assert not code or "auth.users[0].password: " in done.stderr and FORM in done.stderr


def test_check_tells_of_an_address_that_needs_users(tmp_path):
    done = check(tmp_path, {"listen": ["unix:/a", "0.0.0.0:1"]})
    assert done.returncode == 1 and "listen[1]: 0.0.0.0:1 is reached by others" in done.stderr


def check(folder, document):
    (folder / "agent.json").write_text(json.dumps(document))
    return subprocess.run([sys.executable, "-m", "composer", "--check", "--config", str(folder / "agent.json")],
                          capture_output=True, text=True, env=environment(""), timeout=20)


# Logins and tokens.


def test_a_token_tells_who_it_is_until_its_end(manager, clock):
    token = login(manager)
    assert len(bytes.fromhex(token)) == 32 and login(manager) != token
    clock.now += 59.9
    assert manager.who(token, False) == ("alice", "owner")
    later = login(manager, "eye")
    clock.now += 0.1
    with pytest.raises(Unauthorized, match="has ended"):
        manager.who(token, False)
    assert manager.who(later, False) == ("eye", "reader")
    assert len(manager.tokens) == 1, "what has ended is forgotten"


@pytest.mark.parametrize("token", [None, "", "0" * 64, "\xff", "x" * 10000])
def test_who_has_no_token_is_nobody(manager, token):
    login(manager)
    with pytest.raises(Unauthorized):
        manager.who(token, False)
    assert manager.who(token, True) == (None, "admin"), "a unix socket needs none"


@pytest.mark.parametrize("name, password", [("alice", "wrong"), ("alice", ""), ("nobody", "correct horse"), ("", ""),
                                            ("alice", HASH), ("alice", "\ud800")])
def test_a_wrong_login_gets_no_token(manager, name, password):
    with pytest.raises(Unauthorized, match="wrong name or password"):
        login(manager, name, password)
    assert manager.tokens == [] and manager.logins == []


def test_what_is_kept_is_no_token_and_no_password(manager):
    token = login(manager)
    kept = repr(vars(manager))
    assert token not in kept and repr(bytes.fromhex(token)) not in kept and "horse" not in kept


def test_a_user_has_so_many_tokens_and_cannot_end_those_of_others(manager):
    others, mine = login(manager, "bob"), [login(manager) for _ in range(auth.TOKENS + 1)]
    assert len(manager.tokens) == auth.TOKENS + 1
    assert manager.who(others, False).name == "bob" and manager.who(mine[1], False).name == "alice"
    with pytest.raises(Unauthorized):
        manager.who(mine[0], False)


def test_an_unknown_name_takes_as_long_as_a_known_one():
    slow = passwords.make("correct horse", 2 * passwords.FEWEST)
    manager = auth.Manager(config.parse({"auth": {"users": USERS + [user("slow", "owner", slow)]}}).auth, Clock())
    pauses = {}
    for name in ("alice", "slow", "nobody"):
        pauses[name], generator = 0, manager.login(name, "wrong", "")
        with pytest.raises(Unauthorized):
            for _ in generator:
                pauses[name] += 1
    assert pauses["nobody"] == pauses["slow"] == 2 * pauses["alice"] == 2 * passwords.FEWEST // passwords.SLICE


def test_logins_take_turns_and_too_many_are_refused(manager):
    logins = [manager.login("alice", "correct horse", "") for _ in range(1 + auth.WAITING)]
    for one in logins:
        next(one)
    with pytest.raises(TooBusy) as caught:
        next(manager.login("alice", "correct horse", ""))
    assert caught.value.status == 503 and dict(caught.value.headers)["Retry-After"]
    logins[2].close()  # nobody wants it any more
    ends, rounds = {}, 0
    while len(ends) < auth.WAITING:
        rounds += 1
        for number, one in enumerate(logins):
            try:
                next(one)
            except StopIteration as end:
                ends.update({number: rounds} if end.value else {})
    assert list(ends) == [0, 1, 3, 4] and len(set(ends.values())) == 4, "one after the other"
    assert manager.logins == []


def test_comparisons_take_constant_time(manager, monkeypatch):
    compared, real = [], hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or real(one, other))
    token = login(manager)
    assert compared == [(passwords.parse(HASH).digest,) * 2]
    manager.who(token, False)
    assert compared[1:] == [(hashlib.sha256(token.encode()).digest(),) * 2]


def test_without_users_a_login_means_nothing_and_nobody_asks_for_it():
    for document in ({}, "none", {"users": []}):
        manager = auth.Manager(config.parse({"auth": document}).auth, Clock())
        assert len(login(manager, "anybody", "")) == 64 and manager.tokens == []
        assert manager.who(None, False) == manager.who("x", False) == (None, "admin")


# Rights.

MAY = """
              admin  operator  owner  reader
see           yes    yes       yes    yes
watch         yes    yes       no     yes
read own      yes    yes       yes    yes
read other    yes    yes       no     yes
read nobody   yes    yes       no     yes
write own     yes    yes       yes    no
write other   yes    yes       no     no
write nobody  yes    yes       no     no
jump own      no     no        no     no
"""
ROWS = [line.split() for line in MAY.strip().splitlines()]


@pytest.mark.parametrize("column, role", list(enumerate(ROWS[0])))
def test_a_role_may_do_what_the_table_says(column, role):
    for row in ROWS[1:]:
        owner = {"own": "alice", "other": "bob"}.get(row[1])
        assert auth.allowed(auth.Who("alice", role), row[0], owner) == (row[-4:][column] == "yes"), row
    assert list(auth.RIGHTS) == ROWS[0]


def test_a_role_that_is_not_known_may_do_nothing():
    for who in (auth.Who("alice", None), auth.Who("alice", "root"), auth.Who(None, None)):
        for verb in (auth.SEE, auth.WATCH, auth.READ, auth.WRITE, auth.USE):
            assert not auth.allowed(who, verb, "alice") and not auth.allowed(who, verb, None)


INTERFACES = [{"name": "eth0"}, {"name": "eth1", "owners": ["alice"]}, {"name": "eth2", "owners": []}]


@pytest.mark.parametrize("owner, may", [
    ("alice", "eth0 eth1"), ("bob", "eth0"), ("gone", "eth0"), ("eye", "eth0"), ("root", "eth0 eth1 eth2"),
    ("op", "eth0 eth1 eth2"), (None, "eth0 eth1 eth2")])
def test_an_interface_with_owners_is_for_their_graphs_and_those_of_operators(manager, owner, may):
    interfaces = config.parse({"auth": {"users": USERS}, "interfaces": INTERFACES}).interfaces
    for name in ("eth0", "eth1", "eth2"):
        graph = types.SimpleNamespace(saps=[types.SimpleNamespace(interface="eth0", options={}, where="saps[0]"),
                                            types.SimpleNamespace(interface=name, options={}, where="saps[1]")])
        if name in may:
            manager.check_saps(graph, owner, interfaces, {})
            continue
        with pytest.raises(Conflict) as caught:
            manager.check_saps(graph, owner, interfaces, {})
        assert caught.value.where == "saps[1]" and name in caught.value.message and owner in caught.value.message


@pytest.mark.parametrize("owner, may", [("alice", False), ("bob", True), ("eye", False), ("op", True), (None, True)])
def test_a_group_is_for_graphs_of_one_owner_and_those_of_operators(manager, owner, may):
    graph = types.SimpleNamespace(saps=[types.SimpleNamespace(interface="", options={"group": "yard"}, where="saps[0]")])
    if may:
        manager.check_saps(graph, owner, [], {"yard": {"bob"}, "other": {"alice"}})
    else:
        with pytest.raises(Conflict) as caught:
            manager.check_saps(graph, owner, [], {"yard": {"bob"}, "other": {"alice"}})
        assert caught.value.where == "saps[0]" and "group yard" in caught.value.message


def test_without_users_interfaces_are_for_everybody():
    found = config.parse({"auth": "none", "interfaces": INTERFACES[2:]})
    graph = types.SimpleNamespace(saps=[types.SimpleNamespace(interface="eth2", options={}, where="saps[0]")])
    auth.Manager(found.auth, Clock()).check_saps(graph, "alice", found.interfaces, {"yard": {"bob"}})
