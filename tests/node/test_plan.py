"""What a plan says of one service: pure tables."""

import pytest
from saturn_node import plan, wire
from saturn_node.blueprint import Blueprint
from saturn_node.compose import Image
from saturn_node.plan import Desired, service_change
from saturn_node.policy import Definition
from saturn_node.wire import ImageChange, ServiceChange
from support.deployed import NEW, OLD, container, record


def wanted(*services, images=None, restored=None, **fields):
    """What the files want: the compose services named, all alike, on a node that has their image."""
    known = {"image": "app:1", "keys": {"image": "i1", "environment.A": "a1", "scale": "s1"}}
    blueprints = {name: Blueprint(**{**known, **fields}) for name in services or ("web",)}
    here = {"app:1": Image(OLD)} if images is None else images
    return Desired(blueprints, here, restored or {})


def keys(**moved):
    return {"image": "i1", "environment.A": "a1", "scale": "s1", **moved}


def change(desired, known, *containers):
    return service_change("web", desired, known, containers)


@pytest.mark.parametrize(
    ("keys_wanted", "reason"),
    [
        ({**keys(), "environment.B": "b"}, "environment: B added"),
        ({"image": "i1", "scale": "s1"}, "environment: A removed"),
        (keys(**{"environment.A": "a2"}), "environment: A changed"),
        ({**keys(), **{f"environment.{n}": "x" for n in "BCDEFG"}}, "environment: B, C, D, E and 2 more added"),
        ({**keys(), "labels.traefik.enable": "x"}, "labels: traefik.enable added"),
        (keys(image="i2"), "image changed"),
        ({**keys(), "command": "c"}, "command changed"),
        ({**keys(), "file services/web/conf": "id"}, "services/web/conf changed"),
        ({**keys(), "build services/web": "id"}, "services/web changed"),
    ],
)
def test_a_service_whose_files_want_something_else_is_recreated_for_a_reason(keys_wanted, reason):
    told = change(wanted(keys=keys_wanted), record(), container())
    assert told == ServiceChange("web", "recreate", (reason,), downtime=True)


def test_the_reasons_of_one_service_are_told_together_and_never_more_than_six():
    many = {**keys(image="i2"), **{f"key{number}": "x" for number in range(9)}, "environment.B": "b"}
    told = change(wanted(keys=many), record(), container())
    assert told.reasons == ("environment: B added", "image changed", *(f"key{number} changed" for number in range(4)))


def test_a_mixture_of_added_and_removed_names_has_changed():
    told = change(wanted(keys={"image": "i1", "scale": "s1", "environment.B": "b"}), record(), container())
    assert told.reasons == ("environment: A, B changed",)


@pytest.mark.parametrize(
    ("desired", "known", "containers", "expected"),
    [
        (wanted(), record(), [container()], ServiceChange("web", "unchanged")),
        (
            wanted(),
            None,
            [],
            ServiceChange(
                "web", "create", ("no containers yet",), (ImageChange("web", "", "app:1", "", OLD, 0),)
            ),
        ),
        (
            wanted(images={}),
            record(),
            [],
            ServiceChange("web", "create", ("no containers yet",), (ImageChange("web", "", "app:1", "", "", -1),)),
        ),
        (
            wanted(),
            None,
            [container()],
            ServiceChange(
                "web", "recreate", ("no deploy of this node made its containers, so it may be",), downtime=True
            ),
        ),
        (
            wanted(),
            record(),
            [container(hash="h2")],
            ServiceChange(
                "web", "recreate", ("its container was changed by hand since the last deploy",), downtime=True
            ),
        ),
        (
            wanted(images={"app:1": Image(NEW)}),
            record(),
            [container()],
            ServiceChange(
                "web",
                "recreate",
                ("another app:1 is on the node",),
                (ImageChange("web", "app:1", "app:1", OLD, NEW, 0),),
                downtime=True,
            ),
        ),
        (
            wanted(images={}),
            record(),
            [container()],
            ServiceChange(
                "web",
                "recreate",
                ("image app:1 is gone from the node and is pulled again",),
                (ImageChange("web", "app:1", "app:1", OLD, "", -1),),
                downtime=True,
            ),
        ),
        (
            wanted(images={"app:1": Image(OLD), NEW: Image(NEW)}, restored={"web": NEW}),
            record(),
            [container()],
            ServiceChange(
                "web",
                "recreate",
                ("the image of web goes back",),
                (ImageChange("web", "app:1", "app:1", OLD, NEW, 0),),
                downtime=True,
            ),
        ),
        (wanted(images={}, is_built=True), record(), [container()], ServiceChange("web", "unchanged")),
        (
            wanted(is_built=True, images={"app:1": Image(NEW)}),
            record(),
            [container()],
            ServiceChange("web", "recreate", ("another app:1 is on the node",), downtime=True),
        ),
        (
            wanted("web", "db"),
            record("web", "db"),
            [container()],
            ServiceChange(
                "web", "recreate", ("container db is missing",), (ImageChange("db", "", "app:1", "", OLD, 0),)
            ),
        ),
        (
            wanted(),
            record("web", "db"),
            [container(), container("db")],
            ServiceChange("web", "recreate", ("container db is wanted no more",), downtime=True),
        ),
        (
            wanted(),
            record("web", "db"),
            [container(), container("db", state="exited")],
            ServiceChange("web", "recreate", ("container db is wanted no more",)),
        ),
        (
            wanted(),
            record(),
            [container(state="exited")],
            ServiceChange("web", "start", ("container web is stopped",)),
        ),
        (
            wanted(keys=keys(image="i2")),
            record(),
            [container(state="exited")],
            ServiceChange("web", "recreate", ("image changed", "container web is stopped")),
        ),
        (wanted(), record(), [container(state="exited", policy="no")], ServiceChange("web", "unchanged")),
        (wanted(), record(), [container(state="exited", policy="on-failure")], ServiceChange("web", "unchanged")),
        (Desired(complaint="refused"), record(), [container()], ServiceChange("web", "invalid", ("refused",))),
        (
            Desired(complaint="refused", is_sure=False),
            record(),
            [container()],
            ServiceChange("web", "unknown", ("refused", "its folder on the node has files that git does not know")),
        ),
        (Desired(), record(), [], ServiceChange("web", "unchanged")),
        (
            wanted(copies=2),
            record(),
            [container()],
            ServiceChange("web", "recreate", ("web has 1 of 2 wanted containers",)),
        ),
    ],
)  # fmt: skip
def test_what_stands_decides_what_becomes_of_a_service(desired, known, containers, expected):
    assert change(desired, known, *containers) == expected


def test_a_larger_scale_stops_nothing_and_a_smaller_one_does():
    larger = change(wanted(keys=keys(scale="s2"), copies=2), record(), container())
    smaller = change(wanted(keys=keys(scale="s2")), record(), container(), container(id="web2"))
    assert (larger.reasons, larger.downtime) == (("web has 1 of 2 wanted containers",), False)
    assert (smaller.reasons, smaller.downtime) == (("web has 2 of 1 wanted containers",), True)


def test_ports_that_were_not_published_before_are_told():
    desired = wanted(ports=("0.0.0.0:80->80/tcp", "0.0.0.0:81->81/tcp"), keys=keys(ports="p2"))
    told = change(desired, record(ports=("0.0.0.0:80->80/tcp", "0.0.0.0:9->9/tcp")), container())
    assert told.ports == ("0.0.0.0:81->81/tcp",)


def test_an_image_that_must_be_fetched_for_the_way_back_has_no_known_size():
    desired = wanted(restored={"web": "sha256:gone"})
    assert change(desired, record(), container()).images == (
        ImageChange("web", "app:1", "app:1", OLD, "sha256:gone", -1),
    )


def test_too_many_changes_for_one_event_lose_their_details():
    reasons = tuple(f"reason {number} {'x' * 200}" for number in range(6))
    images = (ImageChange("web", "a", "b"),) * 12
    changes = [ServiceChange(f"s{number}", "recreate", reasons, images, ("1", "2", "3")) for number in range(60)]
    kept = plan.bounded(changes)
    assert len(wire.encode(kept)) < 50_000
    assert kept[7] == ServiceChange("s7", "recreate", reasons[:1], (), ("1", "2"))
    assert plan.bounded(changes[:3]) == tuple(changes[:3])


def definitions(count, **service):
    """As many services, each with one compose service that opens a port and lacks what is only a warning."""
    config = {"services": {"app": {"image": "app", "ports": ["80:80"], **service}}}
    orders = (wire.ServiceOrder(f"s{number}", f"services/s{number}") for number in range(count))
    return [Definition(each, compose_file="docker-compose.yml", config=config) for each in orders]


def judged(found, **facts):
    return plan.judged(wire.NodeOrder("h", "/srv", "/srv/repo", "", "main", **facts), found)


def test_findings_stand_in_a_plan_the_gravest_first():
    waivers = (wire.Waiver("port_exposed", "s1", "x", "2027-06-30"),)
    told = judged(definitions(2), conventions=wire.Conventions(waivers=waivers))
    assert [(each.severity, each.service, each.code) for each in told] == [
        ("error", "s0", "port_exposed"),
        ("waived", "s1", "port_exposed"),
        *(
            ("warning", name, code)
            for name in ("s0", "s1")
            for code in ("restart_missing", "image_unpinned", "healthcheck_missing")
        ),
    ]
    assert (told[0].key, told[0].file) == ("services.app.ports[0]", "docker-compose.yml")
    assert told[0].hint


@pytest.mark.parametrize("count", [30, 200, 3000])
def test_of_too_many_findings_the_mildest_are_left_out(count):
    told = judged(definitions(count))
    assert len(wire.encode(wire.Plan(1, "", "", "", "", findings=told))) < 16_000
    assert [each.service for each in told[:20]] == [f"s{number}" for number in range(20)]
    assert {each.severity for each in told[:20]} == {"error"}


@pytest.mark.parametrize("name", ["x" * 100_000, "\u20ac" * 100_000, '"' * 100_000])
def test_words_of_a_finding_are_cut(name):
    (told, *_) = judged(definitions(1, ports=[], environment={name: "https://" + "a." * 50_000 + "example.com"}),
                        conventions=wire.Conventions(autonomous=True))  # fmt: skip
    found = judged([Definition(wire.ServiceOrder("web", "services/web"), complaint=name, compose_file=name)])
    for each in (told, *found):
        assert max(len(word) for word in (each.message, each.file, each.key, each.hint)) <= 500
    assert len(wire.encode(found)) < 16_000


STOOD = record(networks="web_default")._replace(config="c1")
STANDS = container(networks="web_default", health="healthy")


@pytest.mark.parametrize(
    ("desired", "config", "known", "containers", "expected"),
    [
        (wanted(), "c1", STOOD, [STANDS], True),
        (wanted(), "c1", STOOD, [STANDS._replace(health="")], True),
        (wanted(), "c2", STOOD, [STANDS], False),
        (wanted(), "c1", None, [STANDS], False),
        (wanted(), "", record(), [container()], False),
        (wanted(), "c1", STOOD, [], False),
        (wanted(images={}, is_built=True), "c1", STOOD, [STANDS], False),
        (wanted(images={"app:1": Image(NEW)}), "c1", STOOD, [STANDS], False),
        (wanted(keys=keys(**{"file services/web/conf": "id"})), "c1", STOOD, [STANDS], False),
        (wanted(copies=2), "c1", STOOD, [STANDS], False),
        (wanted(), "c1", STOOD, [STANDS, STANDS._replace(service="db")], False),
        (wanted(), "c1", STOOD, [STANDS._replace(hash="h2")], False),
        (wanted(), "c1", STOOD, [STANDS._replace(networks="")], False),
        (wanted(), "c1", STOOD, [STANDS._replace(health="unhealthy")], False),
        (wanted(), "c1", STOOD, [STANDS._replace(health="starting")], False),
        (wanted(), "c1", STOOD, [STANDS._replace(state="exited", policy="no")], False),
        (wanted(), "c1", STOOD, [STANDS._replace(state="paused")], False),
    ],
)
def test_a_service_is_left_alone_only_when_there_is_no_doubt(desired, config, known, containers, expected):
    assert plan.is_as_it_was(desired, config, known, containers) is expected
