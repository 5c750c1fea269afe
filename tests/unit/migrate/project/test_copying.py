"""A project is copied from one cloud in memory into another: by dependency, once, through crashes, and taken back."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs import actions as registry
from blue_wizard.jobs.actions import Action
from blue_wizard.migrate import preconditions
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.origin_cloud.api import Api
from blue_wizard.migrate.project import actions, copying, images, inventory
from blue_wizard.migrate.project.copying import Copying
from tests.unit.migrate.clouds import Job, Killed, Memory

KEY = "ssh-ed25519 AAAA comment"


@cache
def _class(verb: str) -> type[Action]:
    # The registry looks at every plug-in for each verb.
    return type(registry.find(verb))


def find(verb: str) -> Action:
    return _class(verb)()


def tenant(**more: Any) -> Memory:
    """A cloud with a project of everything."""
    cloud = Memory("old", **more)
    net = cloud.post("network", "/networks", {"network": {"name": "net", "description": "tenant's", "mtu": 1400}})
    net_id = net["network"]["id"]
    subnets = [
        cloud.post("network", "/subnets", {"subnet": {"name": n, "network_id": net_id, "cidr": f"10.{i}.0.0/24",
                                                      "gateway_ip": f"10.{i}.0.1", "ip_version": 4}})["subnet"]["id"]
        for i, n in enumerate(("a", "b"))
    ]  # fmt: skip
    out = cloud.post("network", "/networks", {"network": {"name": "internet", "router:external": True,
                                                          "project_id": "admin"}})["network"]["id"]  # fmt: skip
    router = cloud.post("network", "/routers", {"router": {
        "name": "r", "external_gateway_info": {"network_id": out, "enable_snat": True},
        "routes": [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}]}})["router"]["id"]  # fmt: skip
    cloud.put("network", f"/routers/{router}/add_router_interface", {"subnet_id": subnets[0]})
    fixed = [{"subnet_id": subnets[1], "ip_address": "10.1.0.254"}]
    port = cloud.post("network", "/ports", {"port": {"network_id": net_id, "fixed_ips": fixed}})["port"]["id"]
    cloud.put("network", f"/routers/{router}/add_router_interface", {"port_id": port})
    one, two = cloud.group("one"), cloud.group("two", description="of the tenant")
    for group, remote in ((one, two), (two, one)):
        rule = {"direction": "ingress", "security_group_id": group, "remote_group_id": remote, "protocol": "tcp"}
        cloud.post("network", "/security-group-rules", {"security_group_rule": rule})
    default = next(i for i, g in cloud.rows["security-groups"].items() if g["name"] == "default")
    rule = {"direction": "ingress", "security_group_id": default, "remote_ip_prefix": "10.0.0.0/8", "protocol": "icmp"}
    cloud.post("network", "/security-group-rules", {"security_group_rule": rule})
    # A group whose owner has forbidden all that leaves.
    shut = cloud.group("shut")
    rules = cloud.rows["security-group-rules"]
    for id_ in [i for i, r in rules.items() if r["security_group_id"] == shut]:
        del rules[id_]
    specs = {"hw:cpu_policy": "dedicated", "aggregate_instance_extra_specs:ssd": "true"}
    cloud.flavors["f"] = {"id": "f", "name": "small", "vcpus": 1, "ram": 512, "disk": 1, "swap": "", "specs": specs}
    cloud.flavors["unused"] = {"id": "u", "name": "unused", "vcpus": 1, "ram": 1, "disk": 1, "specs": {}}
    cloud.servers = [{"id": "s", "flavor": {"id": "f"}}]
    cloud.keys["key"] = {"name": "key", "public_key": KEY}
    body = {"name": "debian", "disk_format": "raw", "container_format": "bare", "hw_disk_bus": "scsi", "tags": ["t"]}
    image = cloud.post("image", "/images", body)["id"]
    cloud.put("image", f"/images/{image}/file", iter([b"x" * 5_000_000, b"y"]))
    cloud.changes.clear()
    return cloud


def target() -> Memory:
    """A cloud with nothing but a way out and what every project has."""
    cloud = Memory("new")
    cloud.post("network", "/networks", {"network": {"name": "internet", "router:external": True, "project_id": "x"}})
    cloud.changes.clear()
    return cloud


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> tuple[Memory, Memory]:
    old, new = tenant(), target()
    monkeypatch.setattr(actions, "cloud_of", lambda _args: new)
    monkeypatch.setattr(images, "cloud_of", lambda _args: new)
    monkeypatch.setattr(images, "origin_cloud", lambda _url: old)
    return old, new


def compare(old: Memory, new: Memory, mapped: MapFile | None = None, only: Any = inventory.KINDS) -> Copying:
    theirs = inventory.read(Api(old))  # type: ignore[arg-type]
    ours = inventory.read(Api(new), flavors=False)  # type: ignore[arg-type]
    return copying.correspond(theirs, ours, mapped or MapFile(), only)


def made(old: Memory, new: Memory) -> Job:
    found = compare(old, new)
    preconditions.judge(found.findings)
    job = Job(found.steps)
    job.run(find)
    return job


def test_everything_is_copied_in_the_order_of_its_needs(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    made(old, new)
    (net,) = (n for n in new.rows["networks"].values() if n["name"] == "net")
    assert (net["description"], net["mtu"], len(net["tags"])) == ("tenant's", 1400, 1)
    assert {s["cidr"] for s in new.rows["subnets"].values() if s["network_id"] == net["id"]} == {
        "10.0.0.0/24",
        "10.1.0.0/24",
    }
    (router,) = new.rows["routers"].values()
    assert new.rows["networks"][router["external_gateway_info"]["network_id"]]["name"] == "internet"
    assert "enable_snat" not in router["external_gateway_info"], (
        "saying so is for administrators, and is what is so anyway"
    )
    assert router["routes"] == [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}]
    cards = [f["ip_address"] for p in new.rows["ports"].values() for f in p["fixed_ips"]]
    assert sorted(cards) == ["10.0.0.1", "10.1.0.254"]
    names = {g["name"]: i for i, g in new.rows["security-groups"].items()}
    rules = [(r["security_group_id"], r["remote_group_id"]) for r in new.rows["security-group-rules"].values()]
    assert (names["one"], names["two"]) in rules
    assert (names["two"], names["one"]) in rules
    assert names["shut"] not in {g for g, _remote in rules}, "what its owner forbade, Neutron's own rules would allow"
    flavor = next(f for f in new.flavors.values() if f["name"] == "small")
    assert flavor["specs"] == {"hw:cpu_policy": "dedicated"}
    assert [k["public_key"] for k in new.keys.values()] == [KEY]
    assert "unused" not in {f["name"] for f in new.flavors.values()}
    assert old.changes == []


def test_a_second_run_makes_nothing(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    made(old, new)
    before = new.state()
    again = compare(old, new)
    assert (again.steps, again.findings) == ([], [])
    assert new.state() == before
    # What came since is all that is made then.
    old.group("three")
    assert [s.args["name"] for s in compare(old, new).steps] == ["three", "three"]


def test_an_undo_leaves_nothing(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    before = new.state()
    job = made(old, new)
    assert new.state() != before
    job.undo(find)
    assert new.state() == before


def _calls(old: Memory) -> int:
    """How many calls change something, so that each can be a worker's last one."""
    new = target()
    seen: list[str] = []
    new.hook = lambda method, path: seen.append(f"{method} {path}")
    actions.cloud_of = lambda _args: new  # type: ignore[assignment]
    made(old, new)
    return len(seen)


def test_a_worker_may_die_at_every_call(clouds: tuple[Memory, Memory], monkeypatch: pytest.MonkeyPatch) -> None:
    old, _new = clouds
    monkeypatch.setattr(actions, "cloud_of", actions.cloud_of)
    count = _calls(old)
    assert count > 30
    for fatal in range(count):
        for resume in (True, False):
            new = target()
            monkeypatch.setattr(actions, "cloud_of", lambda _args, new=new: new)
            empty, left = new.state(), fatal

            def hook(_method: str, _path: str) -> None:
                nonlocal left
                left -= 1
                if left == -1:
                    raise Killed

            new.hook = hook
            job = Job(compare(old, new).steps)
            with pytest.raises(Killed):
                job.run(find)
            if resume:
                job.run(find)
                assert compare(old, new).steps == [], fatal
                names = [n["name"] for n in new.rows["networks"].values()]
                assert sorted(names) == ["internet", "net"], fatal
                assert not any("job=" in r["description"] for k in ("networks", "routers", "security-groups")
                               for r in new.rows[k].values()), fatal  # fmt: skip
            job.undo(find)
            assert new.state() == empty, fatal


@pytest.mark.parametrize(
    ("kind", "body", "word"),
    [
        ("networks", {"network": {"name": "net"}}, "network net"),
        ("routers", {"router": {"name": "r"}}, "router r"),
        ("security-groups", {"security_group": {"name": "one"}}, "security group one"),
    ],
)
def test_a_name_that_is_taken_is_named(clouds: tuple[Memory, Memory], kind: str, body: Any, word: str) -> None:
    old, new = clouds
    new.post("network", f"/{kind}", body)
    with pytest.raises(InputError, match=word):
        preconditions.judge(compare(old, new).findings)


def test_other_flavors_and_keys_of_the_same_name_are_named(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    new.flavors["z"] = {"id": "z", "name": "small", "vcpus": 2, "ram": 512, "disk": 1, "specs": {}}
    new.keys["key"] = {"name": "key", "public_key": "ssh-ed25519 BBBB"}
    with pytest.raises(InputError, match=r"(?s)flavor small.*keypair key"):
        preconditions.judge(compare(old, new).findings)
    new.flavors["y"] = {"id": "y", "name": "big", "vcpus": 2, "ram": 512, "disk": 1, "specs": {}}
    found = compare(old, new, MapFile(flavors={"small": "big"}), ("flavors",))
    assert (found.steps, found.findings, found.known["f"]) == ([], [], "y")


def test_a_key_with_another_comment_is_the_same(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    new.keys["key"] = {"name": "key", "public_key": KEY.replace("comment", "another")}
    assert compare(old, new, only=("keypairs",)).steps == []


def test_a_network_of_the_map_is_taken_as_it_is(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    id_ = new.post("network", "/networks", {"network": {"name": "theirs"}})["network"]["id"]
    body = {"name": "", "network_id": id_, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1"}
    new.post("network", "/subnets", {"subnet": body})
    found = compare(old, new, MapFile(networks={"net": "theirs"}), ("networks", "routers"))
    assert not [s for s in found.steps if s.id.startswith(("network.", "subnet."))]
    # The second subnet has no like there, so the router gets no card in it, and that is said.
    assert len([s for s in found.steps if s.verb == "neutron.copy.interface"]) == 1
    assert any("router r" in r for r in found.remarks)


def test_a_router_needs_a_way_out(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    (out,) = (n for n in new.rows["networks"].values() if n["name"] == "internet")
    out["name"] = "elsewhere"
    with pytest.raises(InputError, match=r"router r: .*'internet'"):
        preconditions.judge(compare(old, new).findings)
    assert compare(old, new, MapFile(networks={"internet": "elsewhere"})).findings == []


def test_what_is_not_copied_is_said(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    assert any("aggregate_instance_extra_specs:ssd" in r for r in compare(old, new).remarks)


def test_errors_name_the_object(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    job = Job(compare(old, new, only=("networks",)).steps)
    from blue_wizard.reach.openstack import ApiError

    def refuse(method: str, path: str) -> None:
        if method == "POST" and path == "/subnets":
            raise ApiError("network", method, path, 409, "overlaps")

    new.hook = refuse
    with pytest.raises(StepFailed, match=r"subnet a: .*overlaps"):
        job.run(find)


def test_the_mapping_says_what_stands_for_what(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    made(old, new)
    theirs = inventory.read(Api(old))  # type: ignore[arg-type]
    ours = inventory.read(Api(new), flavors=False)  # type: ignore[arg-type]
    said = MapFile(availability_zone="az1", networks={"other": "x"})
    mapped = copying.mapping_of(theirs, ours, compare(old, new), said)
    assert mapped.networks == {"other": "x", "net": "net"}
    assert mapped.groups == {"default": "default", "one": "one", "two": "two", "shut": "shut"}
    assert (mapped.flavors, mapped.availability_zone) == ({"small": "small"}, "az1")


@pytest.mark.parametrize("ranges", [True, False])
def test_an_image_flows_through_and_is_hashed(clouds: tuple[Memory, Memory], ranges: bool) -> None:
    old, new = clouds
    old.ranges = ranges
    (image,) = compare(old, new).images
    args = {"source": "s", "cloud": "new", "origin": image.id, "name": image.name, "size": image.extra["size"],
            "hash": image.extra["hash"], "body": dict(image.body)}  # fmt: skip
    job = Job([])
    ctx = job.context("image")
    outcome = images.CopyImage().do(ctx, args)
    (copied,) = new.images.values()
    assert new.content[copied["id"]] == old.content[image.id]
    assert (copied["hw_disk_bus"], copied["status"]) == ("scsi", "active")
    assert images.CopyImage().probe(ctx, args) == {"id": copied["id"], "size": image.extra["size"]}
    assert outcome["id"] == copied["id"]
    assert compare(old, new).images == []
    images.CopyImage().undo(ctx, args, outcome)
    assert new.images == {}


def test_an_image_that_names_others_says_so(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    (row,) = old.images.values()
    row["kernel_id"] = "of-the-old-cloud"
    found = compare(old, new)
    assert "kernel_id" not in found.images[0].body
    assert any("image debian" in r and "kernel_id" in r for r in found.remarks)


def test_an_image_that_arrives_otherwise_is_no_copy(clouds: tuple[Memory, Memory]) -> None:
    old, new = clouds
    (image,) = compare(old, new).images
    old.content[image.id] = old.content[image.id][:-1] + b"z"
    args = {"source": "s", "cloud": "new", "origin": image.id, "name": image.name, "size": image.extra["size"],
            "hash": image.extra["hash"], "body": dict(image.body)}  # fmt: skip
    with pytest.raises(StepFailed, match="debian differs"):
        images.CopyImage().do(Job([]).context("image"), args)


def test_a_cloud_without_microversions_is_asked_for_none() -> None:
    old = tenant(versions=False)
    inventory.read(Api(old))  # type: ignore[arg-type]
    versions = {path.partition("?")[0]: version for path, version in old.asked}
    assert (versions["/servers/detail"], versions["/volumes/detail"], versions["/networks"]) == ("", "", None)
