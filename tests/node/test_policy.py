"""How findings are weighed and told, and that nothing a file may hold breaks a rule.

What each rule finds stands in tests/cases/policy, tried by tests/contract/test_policy_corpus.py.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saturn_node import policy
from saturn_node.policy import CODES, FIXED, Definition
from saturn_node.wire import Conventions, NodeOrder, ServiceOrder, Waiver

WEB = ServiceOrder("web", "services/web")
OPEN = {"services": {"web": {"image": "app:1", "restart": "always", "healthcheck": {}, "ports": ["80:80"]}}}
ORDER = NodeOrder("chelsty", "/opt/homelab", "/opt/homelab/repo", "", "main", services=(WEB,))
UNTIL = "2027-06-30"


def definition(**facts):
    return Definition(**{"service": WEB, "compose_file": "docker-compose.yml", "config": OPEN, **facts})


def judged(conventions=None, **facts):
    order = replace(ORDER, conventions=conventions or Conventions())
    return policy.violations(order, (definition(**facts),))


def waiver(code="port_exposed", service="web", is_expired=False):
    return Waiver(code, service, "it finds its devices", UNTIL, is_expired)


def test_finding_names_its_place_and_a_way_out():
    (found,) = judged()
    assert found == policy.Violation(
        "port_exposed",
        "port 80 answers on every address of the node, but web is local-only",
        "web",
        "error",
        "docker-compose.yml",
        "services.web.ports[0]",
        'publish it as "127.0.0.1:80:80", or on an address of the LAN',
    )


def test_waived_finding_says_why_and_until_when_and_needs_no_way_out():
    (found,) = judged(Conventions(waivers=(waiver(),)))
    assert (found.severity, found.hint) == ("waived", "")
    assert found.message.endswith(f"(allowed until {UNTIL}: it finds its devices)")


def test_finding_whose_waiver_ended_stays_an_error_and_says_so():
    (found,) = judged(Conventions(waivers=(waiver(is_expired=True),)))
    assert found.severity == "error"
    assert found.hint
    assert found.message.endswith(f"(its waiver ended on {UNTIL}: it finds its devices)")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_waiver_that_holds_goes_before_one_that_ended(order):
    both = (waiver(is_expired=True), waiver(service=""))
    (found,) = judged(Conventions(waivers=tuple(both[index] for index in order)))
    assert found.severity == "waived"


@pytest.mark.parametrize("other", [waiver(code="network_host"), waiver(service="db")])
def test_waiver_of_something_else_allows_nothing(other):
    (found,) = judged(Conventions(waivers=(other,)))
    assert (found.severity, "waiver" in found.message) == ("error", False)


def test_topology_makes_an_error_a_warning_and_a_warning_an_error():
    weighed = Conventions(severity={"port_exposed": "warning", "privileged": "error"})
    config = {"services": {"web": {**OPEN["services"]["web"], "privileged": True}}}
    assert [(each.code, each.severity) for each in judged(weighed, config=config)] == [
        ("port_exposed", "warning"),
        ("privileged", "error"),
    ]


def test_what_nothing_runs_without_can_neither_be_allowed_nor_made_milder():
    facts = [
        {"folder_exists": False, "compose_file": "", "config": None},
        {"complaint": "services.web: no image", "config": None},
        {"config": {"services": {}}},
        {"service": replace(WEB, required_env=("KEY",)), "config": None},
    ]
    conventions = Conventions(
        severity=dict.fromkeys(FIXED, "warning"), waivers=tuple(waiver(code=each, service="") for each in FIXED)
    )
    found = [each for fact in facts for each in judged(conventions, **fact)]
    assert {(each.code, each.severity) for each in found} == {(code, "error") for code in FIXED}


def test_every_finding_has_a_severity_and_the_fixed_ones_are_errors():
    assert set(CODES.values()) <= {"error", "warning"}
    assert {CODES[code] for code in FIXED} == {"error"}


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        (["80:80"], "port 80 answers"),
        (["80:80", "80:80"], "port 80 answers"),
        (["53:53", "53:53/udp"], "ports 53, 53/udp answer"),
        ([80], "port a free port for 80 answers"),
        ([f"{each}:80" for each in range(1, 7)], "ports 1, 2, 3, 4 and 2 more answer"),
    ],
)
def test_ports_are_counted_in_words(ports, words):
    config = {"services": {"web": {**OPEN["services"]["web"], "ports": ports}}}
    assert [each.message.partition(" on every")[0] for each in judged(config=config)] == [words]


@pytest.mark.parametrize(
    ("mode", "who"), [(0o600, ""), (0o400, ""), (0o640, "its group"), (0o604, "everybody"), (0o660, "its group")]
)
def test_env_is_for_its_owner_alone(mode, who):
    found = judged(config=None, env_file="/opt/homelab/config/we b/.env", env_mode=mode)
    assert [(each.code, who in each.message, each.hint) for each in found] == (
        [("env_readable", True, "chmod 600 '/opt/homelab/config/we b/.env'")] if who else []
    )


def test_names_that_have_no_value_are_told_with_the_file_to_edit():
    service = replace(WEB, required_env=("A", "B", "C"))
    found = judged(service=service, config=None, env_file="/x/.env", env={"A": "1", "B": ""})
    assert [(each.key, each.file) for each in found] == [("B", "/x/.env"), ("C", "/x/.env")]


def test_health_check_that_is_no_program_is_named_on_the_node_alone():
    facts = {"healthcheck_exists": True, "healthcheck_executable": False}
    assert [(each.code, each.file) for each in judged(config=None, **facts)] == [
        ("healthcheck_not_executable", "services/web/healthcheck.sh")
    ]
    assert judged(config=None, is_resolved=False, **facts) == ()


def test_value_around_a_machine_is_not_told():
    config = {"services": {"web": {"environment": {"DB": "postgres://anna:s3cret@db.example.com/x"}}}}
    told = judged(Conventions(autonomous=True), config=config)
    assert any("db.example.com" in each.message for each in told)
    assert "s3cret" not in repr(told)


# --- nothing breaks a rule --------------------------------------------------------------------------------------------

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
anything = st.recursive(
    plain | st.sampled_from(("80:80", "/dev:/dev", "host", "/:/x", "all", "a=b", "koenkk/zigbee2mqtt")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
KEYS = (
    "image", "build", "ports", "volumes", "devices", "device_cgroup_rules", "deploy", "gpus", "user", "environment",
    "restart", "healthcheck", "depends_on", "network_mode", "privileged", "profiles", "scale", "command", "entrypoint",
    "extra_hosts", "dns", "dns_search", "logging", "labels", "networks", "extends",
)  # fmt: skip
services = st.dictionaries(st.sampled_from(KEYS), anything, max_size=5)
configs = st.one_of(
    st.dictionaries(st.sampled_from(("services", "volumes", "configs", "include", "x")), anything, max_size=3),
    st.fixed_dictionaries({"services": st.dictionaries(st.text(max_size=5) | st.integers(), services, max_size=2)}),
)
EVERY_RULE = Conventions(
    forbidden_devices=("/dev/ttyUSB*", "gpu", "[", "*"), autonomous=True, own=("chelsty",), strangers=("saturn", "a")
)


@settings(max_examples=200, deadline=None)
@given(configs, st.booleans(), st.sampled_from(("local-only", "tailscale-internal", "public")))
def test_anything_may_stand_in_a_compose_file(config, is_resolved, exposure):
    service = replace(WEB, name="zigbee2mqtt", exposure=exposure)
    for each in judged(EVERY_RULE, service=service, config=config, is_resolved=is_resolved):
        assert each.code in CODES
        assert each.severity == "error" or CODES[each.code] == "warning"
        assert all(isinstance(word, str) for word in each)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value", [None, True, 7, 1.5, "", "x", [], {}, [None], {None: None}, {7: 7}, [[]], [{}], {"a": {"b": None}}, "\0"]
)
def test_odd_values_break_no_rule(key, value):
    service = {**OPEN["services"]["web"], key: value}
    for config in ({"services": {"web": service, 7: service}}, {"services": {"web": {"deploy": {"resources": value}}}}):
        assert isinstance(judged(EVERY_RULE, config=config), tuple)


@pytest.mark.parametrize("config", [{}, {"services": []}, {"services": "web"}, {"services": {"web": None, "db": []}}])
def test_services_that_are_none_break_no_rule(config):
    assert {each.code for each in judged(EVERY_RULE, config=config)} <= {"compose_empty"}


def test_giant_texts_break_no_rule():
    giant = "x/" * 100_000
    service = dict.fromkeys(("image", "user", "restart", "command", "network_mode"), giant)
    lists = {
        key: [giant, giant + ":80", "${" * 50_000] for key in ("ports", "volumes", "devices", "environment", "dns")
    }
    found = judged(EVERY_RULE, config={"services": {"web": {**service, **lists}}})
    assert "port_exposed" in {each.code for each in found}
