"""The host: what a node is said to have, which is what templates ask for."""
import os

from composer import host


def test_a_kernel_has_what_is_loaded_what_is_built_in_and_what_can_be_loaded(tmp_path):
    sys, lib = tmp_path / "sys", tmp_path / "lib"
    (sys / "nf_tables").mkdir(parents=True)

    def has(name):
        return host.has_module(name, str(sys), str(lib))

    assert has("nf_tables") and has("nf-tables") and not has("esp4"), "there is no folder of modules"
    lib.mkdir()
    (lib / "sch-tbf.ko").touch()  # as on OpenWrt, where no list is
    assert has("sch_tbf") and not has("tbf") and not has("esp4")
    (lib / "modules.builtin").write_text("kernel/net/bridge/bridge.ko\n")
    (lib / "modules.dep").write_text("kernel/net/ipv4/esp4.ko.xz: kernel/net/xfrm/xfrm_algo.ko.xz\n")
    assert has("bridge") and has("esp4") and not has("xfrm_algo"), "what another one needs is not what there is"


def test_a_dependency_is_a_program_a_module_or_a_file_or_one_of_several():
    for dependency in ("sh", "gone|sh", "file:/dev/null", "file:/gone|sh"):
        assert host.has(dependency), dependency
    for dependency in ("gone", "module:gone", "file:/gone", "module:", "file:", "", "gone|module:gone"):
        assert not host.has(dependency), dependency


def test_a_program_is_there_if_it_can_be_run(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "PATH", str(tmp_path))
    (tmp_path / "nft").write_text("")
    assert not host.has("nft")
    os.chmod(tmp_path / "nft", 0o755)
    assert host.has("nft")


def test_accelerators_are_known_by_name():
    assert not host.has_accelerator("warp") and set(host.description()["accelerators"]) <= set(host.ACCELERATORS)
