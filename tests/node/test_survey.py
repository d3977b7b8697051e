"""A survey asks the node once, until it is told that an answer may have moved."""

import json

from saturn_node.survey import Survey
from support.node import Node


def asked(node, verb):
    with open(node.path("docker", "calls.jsonl"), encoding="utf-8") as file:
        return [call for call in map(json.loads, file) if call[0] == verb]


def test_images_are_asked_for_together_and_again_once_they_may_have_moved(tmp_path, monkeypatch):
    node = Node(tmp_path)
    monkeypatch.setenv("PATH", node.env["PATH"])
    node.docker("pull", "a:1")
    survey = Survey(node.order)
    assert set(survey.images(("a:1", "b:1", "c:1"))) == {"a:1"}
    assert survey.images(("b:1",)) == {}
    assert len(asked(node, "image")) == 1
    node.docker("pull", "c:1")
    survey.forget_images()
    assert set(survey.images(("c:1",))) == {"c:1"}
    assert set(survey.images(("a:1", "b:1"))) == {"a:1"}
    assert [len(call) for call in asked(node, "image")] == [7, 7]


def test_containers_are_looked_at_once_and_again_once_they_may_have_moved(tmp_path, monkeypatch):
    node = Node(tmp_path)
    monkeypatch.setenv("PATH", node.env["PATH"])
    survey = Survey(node.order)
    assert (survey.containers(), survey.containers("web")) == ((), ())
    path = node.write("web.json", '{"services": {"web": {"image": "app:1"}}}')
    node.docker("pull", "app:1")
    node.docker("compose", "-p", "web", "-f", path, "up")
    assert survey.containers() == ()
    survey.forget_containers("web")
    assert [each.service for each in survey.containers("web")] == ["web"]
    assert len(asked(node, "ps")) == 2


def test_a_node_without_a_checkout_has_no_commit(tmp_path):
    assert Survey(Node(tmp_path).order).head() == ""
