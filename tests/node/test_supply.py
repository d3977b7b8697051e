"""What SATURN sends: a bundle behind the request, and commits from it when origin has none."""

import base64
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from saturn_node import git, supply, wire
from saturn_node.errors import NodeError
from saturn_node.lines import LineReader
from support.node import Node, answer, carrying, kinds, until


def deployed(tmp_path):
    """A node at the first of two revisions, and the second."""
    node = Node(tmp_path)
    first = node.commit_services("web")
    node.deploy("r1", first)
    return node, first, node.commit_services("web", image="app:2")


def sent(node, revision, data, run="r2", **facts):
    """The events of a run with a bundle behind its request."""
    return node.ask(carrying(node.request("run", run, revision, **facts), data), data)


def reached(events):
    """Where the revision came from, and whether that is stale."""
    [event] = [each for each in events if each["type"] == "checked_out"]
    return event["source"], event["stale"]


def head(node):
    return node.git("rev-parse", "HEAD", folder=node.checkout)


def away(node):
    """Let temporary files of the executor lie in a folder of their own; that folder."""
    folder = node.path("tmp")
    os.makedirs(folder)
    node.env = {**node.env, "TMPDIR": folder}
    return folder


def test_a_deploy_goes_on_with_what_saturn_sent_when_origin_is_gone(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.lose_origin()
    events = sent(node, second, data)
    assert (reached(events), kinds(events)[-1], head(node)) == (("saturn", False), "goodbye success", second)
    assert not os.path.exists(node.path("root/state/deploy/runs/r2/bundle"))
    assert any("did not answer" in each.get("text", "") and "SATURN sent" in each["text"] for each in events)
    assert node.ask(node.request("facts", "", second))[1]["stale"] is False


def test_origin_is_asked_first_although_a_bundle_came(tmp_path):
    node, first, second = deployed(tmp_path)
    assert reached(sent(node, second, node.bundle(second, first))) == ("origin", False)


def test_what_origin_does_not_have_comes_from_the_bundle(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.git("reset", "-q", "--hard", first)
    events = sent(node, second, data)
    assert (reached(events), head(node)) == (("saturn", False), second)


def test_a_silent_origin_is_given_up_for_the_bundle(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.order = replace(node.order, origin="ext::sh -c 'exit 1'")
    events = sent(node, second, data)
    assert (reached(events), kinds(events)[-1]) == (("saturn", False), "goodbye success")


def test_without_a_bundle_a_node_that_knows_the_revision_is_stale_and_says_so(tmp_path):
    node, first, _ = deployed(tmp_path)
    node.lose_origin()
    events = node.deploy("r2", first)
    assert reached(events) == ("cache", True)
    assert node.ask(node.request("facts"))[1]["stale"] is True


@pytest.mark.parametrize("is_there", [True, False])
def test_source_saturn_never_asks_origin(tmp_path, is_there):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.order = replace(node.order, source="saturn")
    if not is_there:
        node.lose_origin()
    events = sent(node, second, data)
    assert reached(events) == ("saturn", False)
    assert not any("asking" in each.get("text", "") for each in events)


def test_source_saturn_without_a_bundle_names_what_is_missing(tmp_path):
    node, _, second = deployed(tmp_path)
    node.order = replace(node.order, source="saturn")
    events = node.deploy("r2", second)
    assert "stage_failed prepare revision_missing" in kinds(events)
    assert any("SATURN sent nothing" in each.get("message", "") for each in events)


@pytest.mark.parametrize("source", ["auto", "saturn"])
def test_a_node_without_a_checkout_gets_one_from_the_bundle(tmp_path, source):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    data = node.bundle(revision)
    node.order = replace(node.order, source=source)
    node.lose_origin()
    events = sent(node, revision, data)
    assert (reached(events), kinds(events)[-1], head(node)) == (("saturn", False), "goodbye success", revision)
    assert node.git("config", "remote.origin.url", folder=node.checkout) == node.origin


def test_a_shallow_checkout_takes_a_thin_bundle(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web")
    first = node.commit_services("web", image="app:2")
    node.git("clone", "-q", "--depth", "1", "file://" + node.origin, node.checkout, folder=node.folder)
    node.deploy("r1", first)
    second = node.commit_services("web", image="app:3")
    data = node.bundle(second, first)
    node.lose_origin()
    [change] = node.ask(carrying(node.request("plan", "p", second), data), data)[2]["changes"]
    events = sent(node, second, data)
    assert (change["action"], reached(events), head(node)) == ("recreate", ("saturn", False), second)
    assert node.git("rev-parse", "--is-shallow-repository", folder=node.checkout) == "true"


def test_a_commit_made_on_the_node_is_kept_when_saturn_moves_it(tmp_path):
    node, first, second = deployed(tmp_path)
    node.git("commit", "-q", "--allow-empty", "-m", "a hand-made fix", folder=node.checkout)
    mine = head(node)
    data = node.bundle(second, first)
    node.lose_origin()
    assert kinds(sent(node, second, data))[-1] == "goodbye success"
    assert node.git("rev-parse", f"refs/saturn/kept/{mine[:12]}", folder=node.checkout) == mine
    assert mine in node.ask(node.request("facts"))[1]["tips"]


def test_tips_begin_with_the_commit_that_is_checked_out(tmp_path):
    node, first, second = deployed(tmp_path)
    sent(node, second, node.bundle(second, first))
    node.git("checkout", "-q", "--detach", first, folder=node.checkout)
    facts = node.ask(node.request("facts", "", second))[1]
    assert (facts["tips"], facts["has_revision"]) == ([first, second], True)


def test_a_bundle_that_git_does_not_take_fails_the_run(tmp_path):
    node, _, second = deployed(tmp_path)
    node.lose_origin()
    events = sent(node, second, b"# v2 git bundle\nnonsense")
    assert "stage_failed prepare bundle_damaged" in kinds(events)
    assert kinds(events)[-1] == "goodbye failed"


def test_a_bundle_that_builds_on_a_commit_the_node_lacks_fails_the_plan(tmp_path):
    node, _, second = deployed(tmp_path)
    third = node.commit_services("web", image="app:3")
    data = node.bundle(third, second)
    request = carrying(node.request("plan", "p", third, facts_known=True), data)
    assert kinds(node.ask(request, data)) == ["hello", "refused bundle_damaged", "goodbye refused"]


def test_one_that_was_sent_on_a_guess_is_as_if_it_had_not_come(tmp_path):
    node, _, second = deployed(tmp_path)
    third = node.commit_services("web", image="app:3")
    _, facts, plan, goodbye = node.ask(thin(node.request("plan", "p", third), node.bundle(third, second)))
    assert (facts["type"], plan["is_foreseen"], goodbye["outcome"]) == ("facts", False, "success")


def test_a_bundle_in_the_request_serves_the_plan_and_the_run(tmp_path):
    node, first, second = deployed(tmp_path)
    request = thin(node.request("plan", "p", second), node.bundle(second, first))
    node.lose_origin()
    events = node.ask(request, replace(request, verb="run", run="r2", thin=""))
    assert (events[2]["is_foreseen"], reached(events), head(node)) == (True, ("saturn", False), second)


@pytest.mark.parametrize("text", ["no base64!", "AAAA"])
def test_a_bundle_in_the_request_that_is_another_is_refused(tmp_path, text):
    node, first, second = deployed(tmp_path)
    request = replace(thin(node.request("plan", "p", second), node.bundle(second, first)), thin=text)
    assert kinds(node.ask(request)) == ["hello", "refused bundle_damaged", "goodbye refused"]


def thin(request, data):
    """The request with the bundle in it."""
    return replace(carrying(request, data), bundle_size=0, thin=base64.b64encode(data).decode())


def test_what_was_said_yes_to_beforehand_begins_with_its_plan(tmp_path):
    node, first, second = deployed(tmp_path)
    request = thin(node.request("plan", "r2", second, begins=True), node.bundle(second, first))
    node.lose_origin()
    events = node.ask(request)
    beginning = [("hello", 1), ("facts", 2), ("plan", 3), ("hello", 1)]
    assert [(each["type"], each["seq"]) for each in events[:4]] == beginning
    assert (events[2]["begins"], reached(events), kinds(events)[-1]) == (True, ("saturn", False), "goodbye success")
    assert head(node) == second
    with open(node.path("root/state/deploy/runs/r2/request.json")) as file:
        ordered = wire.decode_request(file.read())
    assert (ordered.verb, ordered.plan, ordered.thin, ordered.begins) == ("run", "", "", False)


def test_a_run_that_has_begun_with_its_plan_is_followed_like_any_other(tmp_path):
    node, first, second = deployed(tmp_path)
    node.ask(thin(node.request("plan", "r2", second, begins=True), node.bundle(second, first)))
    told = node.ask(node.request("follow", "r2", second))
    assert (told[0]["seq"], kinds(told)[-1]) == (1, "goodbye success")


def test_what_is_not_foreseen_does_not_begin(tmp_path):
    node, _, second = deployed(tmp_path)
    third = node.commit_services("web", image="app:3")
    events = node.ask(thin(node.request("plan", "r2", third, begins=True), node.bundle(third, second)))
    assert (events[2]["is_foreseen"], events[2]["begins"], kinds(events)[-1]) == (False, False, "goodbye success")
    assert not os.path.exists(node.path("root/state/deploy/runs/r2"))


def test_nothing_begins_while_another_run_is_at_work(tmp_path):
    node, _, second = deployed(tmp_path)
    node.control(sleep={"up": 3})
    with node.start() as process:
        process.stdin.write(line_of(node.request("run", "r2", second)))
        process.stdin.flush()
        until(lambda: "service_started deploy web" in kinds(node.events("r2")), "deploy")
        events = node.ask(node.request("plan", "r3", second, begins=True))
        process.stdin.close()
        process.stdout.read()
    assert (events[1]["lock"]["run"], events[2]["is_foreseen"], events[2]["begins"]) == ("r2", True, False)
    assert not os.path.exists(node.path("root/state/deploy/runs/r3"))
    until(lambda: kinds(node.events("r2"))[-1:] == ["goodbye success"], "the worker's goodbye")


def test_a_bundle_that_changed_on_its_way_is_refused_and_the_conversation_goes_on(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    changed = data[:-1] + bytes([data[-1] ^ 1])
    folder = away(node)
    request = carrying(node.request("run", "r2", second), data)
    events = node.ask(request, changed, node.request("facts"))
    assert kinds(events)[:3] == ["hello", "refused bundle_damaged", "goodbye refused"]
    assert kinds(events)[-1] == "goodbye success"
    assert (os.listdir(folder), os.path.exists(node.path("root/state/deploy/runs/r2"))) == ([], False)


def test_a_bundle_that_came_once_serves_the_whole_conversation(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.lose_origin()
    plan = carrying(node.request("plan", "p", second), data)
    run = replace(plan, verb="run", run="r2", bundle_size=0)
    assert reached(node.ask(plan, data, run)[3:]) == ("saturn", False)
    assert kinds(node.ask(replace(run, run="r3"))) == ["hello", "refused bundle_missing", "goodbye refused"]


def test_a_bundle_may_come_in_pieces(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    with node.start() as process:
        told = carrying(node.request("plan", "p", second), data)
        for piece in (line_of(told), data[:10], data[10:11], data[11:]):
            process.stdin.write(piece)
            process.stdin.flush()
        assert kinds(answer(process.stdout)) == ["hello", "facts complete", "plan", "goodbye success"]
        process.stdin.close()


def line_of(request):
    return (wire.encode(request) + "\n").encode()


@pytest.mark.parametrize("how", ["killed", "hung up"])
def test_a_receive_that_is_cut_leaves_nothing(tmp_path, how):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    data = node.bundle(revision)
    folder = away(node)
    with node.start() as process:
        process.stdin.write(line_of(carrying(node.request("run", "r1", revision), data)) + data[:20])
        process.stdin.flush()
        until(lambda: is_receiving(process, folder), "the receive")
        if how == "killed":
            process.send_signal(signal.SIGKILL)
        process.stdin.close()
        process.wait(30)
    assert os.listdir(folder) == []
    assert not os.path.exists(node.root)


def is_receiving(process, folder):
    """Whether the executor holds a file in the folder; a descriptor may be closed between the list and the look."""
    held = []
    descriptors = f"/proc/{process.pid}/fd"
    for each in os.listdir(descriptors):
        with suppress(FileNotFoundError):
            held.append(os.readlink(os.path.join(descriptors, each)))
    return any(each.startswith(folder) for each in held)


def test_a_bundle_beyond_every_measure_is_refused_as_too_large(tmp_path):
    read, write = os.pipe()
    os.close(write)
    request = replace(Node(tmp_path).request("run"), bundle="x", bundle_size=supply.MAX + 1)
    with pytest.raises(NodeError) as failure:
        supply.received(request, LineReader(read, 100), lambda: None)
    os.close(read)
    assert (failure.value.code, failure.value.hint.split()[0]) == ("disk_full", "df")


def test_a_piece_that_finds_no_room_is_not_written():
    with open("/dev/full", "wb", buffering=0) as full:
        assert supply._is_written(full, b"x") is False


def test_a_bundle_is_received_behind_its_line_and_nothing_more(tmp_path):
    data = os.urandom(200_000)
    read, write = os.pipe()
    with open(write, "wb") as far, ThreadPoolExecutor(1) as sender:
        sender.submit(lambda: [far.write(each) for each in (b"line\n", data, b"next line\n")] and far.flush())
        take(LineReader(read, 100), tmp_path, data)
    os.close(read)


def take(reader, folder, data):
    assert reader.next_line() == "line"
    with supply.received(carrying(Node(folder).request("run"), data), reader, lambda: None) as file:
        file.seek(0)
        assert file.read() == data
    assert reader.next_line() == "next line"


def test_what_was_sent_is_remembered_under_a_name_of_its_own(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.lose_origin()
    sent(node, second, data)
    assert node.git("rev-parse", git.SENT, folder=node.checkout) == second
