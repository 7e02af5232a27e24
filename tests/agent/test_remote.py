"""The repository over HTTP: what is whole and right comes into the cache, through whatever fault, with each program that
fetches; what is not is refused; and what is in the cache is there when the repository is not."""
import gzip
import hashlib
import json
import os
import random
import subprocess
import types

import pytest

from composer import cache, host, orchestrator, remote, system
from composer.core import steps
from composer.core.errors import BadImage, BadRequest, Full, StepFailed, Unavailable
from composer.loop import Loop
from composer.repository import Absent
from web import EVER, Web

IMAGE = gzip.compress(random.Random(1).randbytes(200000), mtime=0)
DIGEST = hashlib.sha256(IMAGE).hexdigest()
TEMPLATE = {"name": "nat", "functional-capability": "nat", "vnf-type": "native", "uri-image": "nat.tgz", "sha256": DIGEST}
UNSTATED = {key: TEMPLATE[key] for key in TEMPLATE if key != "sha256"}
LIST, IMAGE_PATH = "/v2/nf_capability/nat/", "/v2/nf_image/nat%201/"
PROGRAMS = [name for name, _ in remote.CLIENTS]


class Gateway:
    """An agent's loop, system and repository; `now` may be moved."""

    def __init__(self, url, folder, program="curl", most=32 << 20):
        self.folder, self.now = str(folder), 1000.0
        self.loop = Loop(log=print)
        self.system = system.System(self.loop)
        try:
            words = remote.client([one for one in remote.CLIENTS if one[0] == program])
        except BadRequest:
            pytest.skip("%s missing" % program)
        self.remote = remote.Remote(url, self.folder + "/cache", most, self.folder + "/run", lambda: self.now)
        self.remote.client = words

    def bring(self, *absents):
        error, = self.bring_each([absents])
        if error:
            raise error

    def bring_each(self, lists):
        """Bring lists of what is absent, each by a plan of its own, at one time; return the error of each, or None."""
        ended = [self] * len(lists)
        for number, absents in enumerate(lists):
            orchestrator.Orchestrator.drive(self, self.remote.bring(absents),
                                            lambda _, error, number=number: self._ended(ended, number, error))
        self.loop.run()
        return ended

    def _ended(self, ended, number, error):
        ended[number] = error
        if self not in ended:
            self.loop.stop()

    def find(self, name="nat", template=None):
        """Return the one template for a function, brought if it has to be."""
        wanted = types.SimpleNamespace(name=name, template=template)
        try:
            return self.remote.find(wanted)
        except Absent as absent:
            self.bring(absent)
            return self.remote.find(wanted)

    def image(self, name="nat"):
        """Return the bytes of a function's image, brought if it has to be."""
        absent = self.remote.lacks(self.find(name)[0])
        if absent:
            self.bring(absent)
        found, = self.find(name)
        assert self.remote.lacks(found) is None
        with open(found["path"], "rb") as file:
            return file.read()

    def fetch(self, url, most):
        """Perform one step; return its output or error, and the bytes that have come."""
        ended, path = [], self.folder + "/fetched"
        self.system.perform([steps.fetch(url, path, most, self.remote.client)],
                            lambda results: (ended.extend(results), self.loop.stop()))
        self.loop.run()
        return ended[0], os.path.getsize(path)

    def images(self):
        return sorted(os.listdir(self.folder + "/cache/images"))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(remote, "PAUSES", (0, 0.01, 0.02))


@pytest.fixture
def web():
    with Web() as web:
        web.say(LIST, {"list": [{"id": "nat 1", "template": TEMPLATE}]})
        web.files[IMAGE_PATH] = IMAGE
        yield web


@pytest.fixture(params=PROGRAMS)
def gateway(request, web, tmp_path):
    one = Gateway(web.url, tmp_path, request.param)
    yield one
    one.loop.close()


@pytest.fixture
def curl(web, tmp_path):
    one = Gateway(web.url, tmp_path)
    yield one
    one.loop.close()


def images_asked(web):
    return [begin for path, begin in web.asked if path == IMAGE_PATH]


# What comes.

def test_a_function_and_its_image_are_brought_and_not_twice(gateway, web):
    assert gateway.image() == IMAGE
    assert gateway.image() == IMAGE
    assert web.asked == [(LIST, 0), (IMAGE_PATH, 0)]
    found, = gateway.find()
    assert (found["digest"], os.path.basename(found["path"])) == (DIGEST, DIGEST + ".tgz")
    assert gateway.remote.templates() == [found] and gateway.images() == [DIGEST + ".tgz"]


# faults of the answers for the image, and the bytes that they are asked to begin at
PASSING = [([500, 503], [0, 0, 0]), (["tampered"], [0, 0]), (["truncated"], [0, len(IMAGE) // 2]),
           (["truncated", 500], [0, len(IMAGE) // 2, len(IMAGE) // 2]), (["cut"], [0, 0])]


@pytest.mark.parametrize("faults, asked", PASSING, ids=[str(faults) for faults, _ in PASSING])
def test_a_fault_that_passes_is_got_over(gateway, web, faults, asked):
    web.faults[IMAGE_PATH] = list(faults)
    assert gateway.image() == IMAGE and gateway.images() == [DIGEST + ".tgz"]
    assert images_asked(web) == asked


def test_a_server_that_cannot_continue_begins_again(gateway, web):
    web.faults[IMAGE_PATH] = ["truncated", "no range", "no range"]
    assert gateway.image() == IMAGE
    assert images_asked(web)[:2] == [0, len(IMAGE) // 2]


@pytest.mark.parametrize("fault", ["tampered", "cut"])
def test_an_image_that_is_not_what_its_template_says_is_refused(gateway, web, fault):
    web.faults[IMAGE_PATH] = [fault, EVER]
    with pytest.raises(BadImage, match="%s.*its sha256 is [0-9a-f]{64}, and should be %s" % (web.url, DIGEST)):
        gateway.image()
    assert images_asked(web) == [0, 0] and gateway.images() == []


@pytest.mark.parametrize("fault", ["tampered", "cut"])
def test_one_whose_template_says_nothing_has_to_be_a_whole_gzip(curl, web, fault):
    web.say(LIST, {"list": [{"id": "nat 1", "template": UNSTATED}]})
    web.faults[IMAGE_PATH] = [fault, EVER]
    with pytest.raises(BadImage, match="must be whole|sound gzip"):
        curl.image()
    assert curl.images() == []
    web.faults.clear()
    assert curl.image() == IMAGE


def test_what_is_too_large_is_refused_before_it_fills_the_disk(gateway, web, monkeypatch):
    monkeypatch.setattr(remote, "LARGEST", 50000)
    with pytest.raises(BadImage, match="larger than 50000 bytes"):
        gateway.image()
    assert images_asked(web) == [0] and gateway.images() == []
    failure, came = gateway.fetch(web.url + IMAGE_PATH, 50000)
    assert isinstance(failure, StepFailed) and 50000 < came <= 50000 + 512


def test_what_is_not_there_is_asked_for_once(gateway, web):
    del web.files[IMAGE_PATH]
    with pytest.raises(BadImage, match="is not there.*404"):
        gateway.image()
    assert images_asked(web) == [0] and gateway.images() == []
    assert gateway.find("mangle") == [] and gateway.find("mangle") == []
    assert [path for path, _ in web.asked].count("/v2/nf_capability/mangle/") == 1


def test_a_redirect_is_not_followed(web, tmp_path):
    web.faults[IMAGE_PATH], web.files["/elsewhere"] = ["redirect", EVER], IMAGE
    for program in ("curl", "wget"):  # the others cannot do otherwise
        one = Gateway(web.url, tmp_path / program, program)
        with pytest.raises(Unavailable, match="redirect"):
            one.image()
        one.loop.close()
    assert images_asked(web) == [0, 0] and "/elsewhere" not in [path for path, _ in web.asked]


def test_a_fetch_that_stands_still_ends_and_is_continued(gateway, web, monkeypatch):
    monkeypatch.setattr(system, "STALL_LIMIT", 0.2)
    web.faults[IMAGE_PATH] = ["stall"]
    assert gateway.image() == IMAGE


def test_one_that_is_slow_goes_on_until_its_limit(curl, web, monkeypatch):
    monkeypatch.setattr(system, "STALL_LIMIT", 0.3)
    web.faults[IMAGE_PATH] = ["slow", EVER]
    assert curl.image() == IMAGE and images_asked(web) == [0]
    monkeypatch.setattr(system, "FETCH_LIMIT", 0.6)
    failure, _ = curl.fetch(web.url + IMAGE_PATH, 1 << 20)
    assert failure.output == "no end after 0 s" and str(failure).startswith(curl.remote.client[0] + " -qgsSfL")


def test_the_repository_that_is_away_is_named(gateway, web):
    web.close()
    with pytest.raises(Unavailable, match="%s: .*([Cc]onnect|refused)" % (web.url + LIST)):
        gateway.find()
    assert gateway.remote.templates() == []


@pytest.mark.parametrize("answer", [b"<html>", b'{"list": 1}', b'{"list": [1]}', b"[" * 100000, b"[]"])
def test_an_answer_of_no_use_is_none(curl, web, answer):
    web.files[LIST] = answer
    with pytest.raises(Unavailable, match="its answer is of no use"):
        curl.find()
    assert os.listdir(curl.folder + "/cache/answers") == os.listdir(curl.folder + "/run/answers") == []


def test_an_answer_does_not_begin_with_what_a_killed_agent_left(curl, web):
    os.makedirs(curl.folder + "/run/answers")
    with open(curl.folder + "/run/answers/capability-nat", "wb") as file:
        file.write(web.files[LIST].replace(b"nat.tgz", b"old.tgz"))
    assert curl.find()[0]["uri-image"] == "nat.tgz"


def test_an_answer_that_is_too_large_is_none(curl, web):
    web.files[LIST] = b" " * (cache.ANSWER + 1)
    with pytest.raises(BadImage, match="larger than 1048576 bytes"):
        curl.find()


def test_of_an_answer_the_good_templates_are_taken(curl, web):
    web.say(LIST, {"list": [{"id": "../x", "template": TEMPLATE}, {"id": 7, "template": dict(TEMPLATE, sha256="no")},
                            {"id": 8, "template": dict(TEMPLATE, **{"uri-image": "http://10.0.0.1/nat.tgz"})},
                            {"id": 9, "template": 1}, {"id": "nat 1", "template": TEMPLATE}]})
    assert [one["url"] for one in curl.find()] == [web.url + IMAGE_PATH]


@pytest.mark.parametrize("answer", [
    UNSTATED, {"template": UNSTATED}, {"list": [{"id": "the nat", "template": UNSTATED}]}], ids=["bare", "one", "list"])
def test_a_template_is_found_by_name(curl, web, answer):
    web.say("/v2/nf_template/the%20nat/", answer)
    found, = curl.find(template="the nat")
    assert found["url"] == web.url + "/v2/nf_image/the%20nat/" and found["digest"] == ""


def test_what_comes_in_one_list_is_fetched_side_by_side_and_once(curl, web):
    names = ["nat", "nat", "fw", "web cache", "b", "dpi", "vpn"]
    for name in names:
        web.say("/v2/nf_capability/%s/" % name.replace(" ", "%20"), {"list": [{"id": name, "template": UNSTATED}]})
        web.faults["/v2/nf_capability/%s/" % name.replace(" ", "%20")] = [500]
    seen, perform = [], curl.system.perform
    curl.system.perform = lambda wanted, *rest: seen.append([step.verb for step in wanted]) or perform(wanted, *rest)
    curl.bring(*[Absent("capability", name) for name in names])
    assert seen == [["fetch"] * 4, ["run"], ["fetch"] * 4, ["fetch"] * 2, ["run"], ["fetch"] * 2]
    assert len(curl.remote.templates()) == 6


def test_two_graphs_that_want_one_image_fetch_it_once(curl, web):
    absent = curl.remote.lacks(curl.find()[0])
    web.faults[IMAGE_PATH] = ["slow"]
    assert curl.bring_each([[absent], [absent]]) == [None, None] and images_asked(web) == [0]


def test_a_loop_that_fetches_and_hashes_turns(curl):
    with open(curl.folder + "/large", "wb") as file:
        file.truncate(8 << 20)
    assert len([wanted for wanted in cache._sum(file.name) if wanted == []]) == 32


# What is in the cache.

def test_an_old_answer_is_used_while_the_repository_is_away_and_said_once(curl, web, capfd):
    found = curl.find()
    curl.now += remote.FRESH - 1
    assert curl.find() == found and len(web.asked) == 1
    web.faults[LIST] = [500, 500]
    for _ in range(2):
        curl.now += remote.FRESH
        assert curl.find() == found
    assert len(web.asked) == 3  # and no third try, as there was an answer
    curl.now += remote.FRESH
    web.say(LIST, {"list": []})
    assert curl.find() == []
    said = capfd.readouterr().err
    assert (said.count("repository: is away"), said.count("repository: is there again")) == (1, 1)


def test_a_name_that_is_gone_is_gone_and_may_come_back(curl, web):
    curl.find()
    was = web.files.pop(LIST)
    curl.now += remote.FRESH
    assert curl.find() == [] and curl.remote.templates() == []
    web.files[LIST] = was
    assert curl.find() == []
    curl.now += remote.FRESH
    assert len(curl.find()) == 1


def test_after_a_reboot_the_cache_is_enough(curl, web, tmp_path):
    for template in (TEMPLATE, UNSTATED):
        web.say(LIST, {"list": [{"id": "nat 1", "template": template}]})
        curl.now += remote.FRESH
        curl.image()
    found = curl.find()
    web.close()
    again = Gateway(web.url, tmp_path)
    assert again.remote.templates() == found == again.find() and found[0]["digest"] == DIGEST
    assert again.image() == IMAGE
    again.loop.close()


def test_what_flash_has_garbled_is_fetched_again(curl, web, tmp_path):
    curl.image()
    path = curl.find()[0]["path"]
    with open(path, "r+b") as file:
        file.write(b"x")
    assert curl.image() == IMAGE and images_asked(web) == [0, 0]
    answer, = os.listdir(curl.folder + "/cache/answers")
    bad = json.dumps({"repository": web.url, "list": [{"id": "/", "template": UNSTATED}]}).encode()
    for text in (b"{", b"[]", b'{"list": []}', bad):
        with open("%s/cache/answers/%s" % (curl.folder, answer), "wb") as file:
            file.write(text)
        again = Gateway(web.url, tmp_path)
        assert again.remote.templates() == [] and os.listdir(curl.folder + "/cache/answers") == []
        again.loop.close()


def test_the_cache_of_another_repository_is_not_used(curl, tmp_path):
    curl.find()
    other = Gateway("http://127.0.0.1:1", tmp_path)
    assert other.remote.templates() == []
    other.loop.close()


def test_an_image_of_a_template_that_has_changed_is_another(curl, web):
    web.say(LIST, {"list": [{"id": "nat 1", "template": UNSTATED}]})
    assert curl.image() == IMAGE and len(curl.images()) == 2
    web.say(LIST, {"list": [{"id": "nat 1", "template": dict(UNSTATED, version=2)}]})
    web.files[IMAGE_PATH] = gzip.compress(b"new")
    curl.now += remote.FRESH
    assert curl.find()[0]["digest"] == "" and curl.image() == web.files[IMAGE_PATH]


def test_the_cache_stays_within_its_limit_but_for_what_is_used(web, tmp_path):
    one = Gateway(web.url, tmp_path, most=3 * len(IMAGE) + 1000)
    digests = []
    for number, name in enumerate(("a", "b", "c", "d")):
        body = gzip.compress(random.Random(number).randbytes(200000), mtime=0)
        digests.append(hashlib.sha256(body).hexdigest())
        web.files["/v2/nf_image/%s/" % name] = body
        web.say("/v2/nf_capability/%s/" % name, {"list": [{"id": name, "template": dict(UNSTATED, sha256=digests[-1])}]})
    for number, name in enumerate("abc"):
        one.image(name)
        os.utime(one.find(name)[0]["path"], (number, number))
    assert len(one.images()) == 3  # nobody has said yet what graphs have
    one.remote.keep(digests[:1])
    one.image("d")
    assert len(one.images()) == 4  # they may all be about to be used
    one.now += cache.IN_USE
    one.image("c")  # a use, which is noted
    assert os.stat(one.find("c")[0]["path"]).st_mtime > 2
    one.bring()
    assert one.images() == sorted(digest + ".tgz" for digest in (digests[0], digests[2], digests[3]))
    one.loop.close()


@pytest.mark.root
def test_a_full_disk_is_said_and_nothing_half_made_is_left(web, tmp_path):
    for program in PROGRAMS:
        (tmp_path / program).mkdir()
        (tmp_path / program / "cache").mkdir()
        try:
            one = Gateway(web.url, tmp_path / program, program)
        except pytest.skip.Exception:
            continue
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", one.folder + "/cache"]).returncode:
            pytest.skip("mount of a tmpfs missing")
        try:
            with pytest.raises(Full, match="No space left"):
                one.image()
            assert one.images() == []
        finally:
            subprocess.run(["umount", one.folder + "/cache"], check=True)
            one.loop.close()


# What may be asked for.

@pytest.mark.parametrize("url", [
    "http://10.0.0.1/x.tgz", "https://127.0.0.1/x.tgz", "%(url)s.evil/x.tgz", "%(url)s@10.0.0.1/x.tgz", "%(url)s", "http:x",
    "%(url)s/a b", "%(url)s/\u00e9", "%(url)s/'", "%(url)s/\\x"])
def test_a_template_of_a_graph_asks_no_other_server(curl, web, url):
    with pytest.raises(ValueError, match="uri-image: .*should be a URL of this node's repository, " + web.url):
        curl.remote.read(dict(TEMPLATE, **{"uri-image": url % {"url": web.url}}))


def test_one_that_names_an_image_of_the_repository_has_to_state_its_sum(curl, web):
    template = dict(TEMPLATE, **{"uri-image": web.url + "/own.tgz"})
    web.files["/own.tgz"] = IMAGE
    found, = curl.find(template=template)
    curl.bring(curl.remote.lacks(found))
    assert curl.remote.lacks(found) is None and web.asked == [("/own.tgz", 0)]
    with pytest.raises(ValueError, match="sha256: should be there"):
        curl.find(template=dict(template, sha256=""))
    with pytest.raises(ValueError, match="vnf-type"):
        curl.find(template={"name": "x"})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../etc", "a\\b", "a\nb", "\ud800", "\u00e9" * 40])
def test_a_name_that_leads_elsewhere_is_refused(curl, name):
    for wanted in ({"name": name}, {"template": name}, {"template": dict(TEMPLATE, name=name)}):
        with pytest.raises(ValueError, match="should be a (name|string)"):
            curl.find(**wanted)


def test_a_program_is_known_by_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "PATH", str(tmp_path))
    with pytest.raises(BadRequest, match="repository: over http needs curl or wget"):
        remote.Remote("http://localhost", str(tmp_path), 1, str(tmp_path))
    for name in ("busybox", "uclient-fetch", "wget-ssl"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    for target, words in (("busybox", "wget -q -c"), ("uclient-fetch", "-T 15 -O"), ("wget-ssl", "--no-config -nv")):
        (tmp_path / "wget").symlink_to(target)
        if target == "busybox":
            (tmp_path / "uclient-fetch").rename(tmp_path / "later")
        assert " ".join(remote.client()).startswith("%s/%s %s" % (tmp_path, target, words))
        if target == "busybox":
            (tmp_path / "later").rename(tmp_path / "uclient-fetch")
        (tmp_path / "wget").unlink()


def test_nothing_that_was_tried_leaves_a_file(curl, web):
    web.faults[IMAGE_PATH] = [500, EVER]
    with pytest.raises(Unavailable, match="%s.* 500" % IMAGE_PATH):
        curl.image()
    assert curl.images() == [] and images_asked(web) == [0, 0, 0]
    web.faults[IMAGE_PATH] = ["truncated", 500, 500]
    with pytest.raises(Unavailable):
        curl.image()
    assert curl.images() == [DIGEST + ".part"]  # which the next try goes on with
    web.asked.clear()
    assert curl.image() == IMAGE and images_asked(web) == [len(IMAGE) // 2]


def test_an_answer_that_had_to_leave_the_cache_is_asked_for_again(web, curl, monkeypatch):
    monkeypatch.setattr(cache, "ANSWERS", 2)
    for name in ("a", "b", "c"):
        web.say("/v2/nf_capability/%s/" % name, {"list": [{"id": name, "template": UNSTATED}]})
        assert len(curl.find(name)) == 1
    assert len(curl.find("a")) == 1
    assert [path[-2] for path, _ in web.asked] == ["a", "b", "c", "a"]
