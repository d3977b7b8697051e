from __future__ import annotations

import asyncio

from support.build import plan

from saturn_orchestrator.app.consent import Answer, Consent
from saturn_orchestrator.plan.model import HostPlan


class Person:
    """Answers by host, the last one again and again, and remembers in which order what was shown and asked."""

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        self._answers = {host: said if isinstance(said, list) else [said] for host, said in answers.items()}
        self.seen: list[str] = []
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def show(self, shown: HostPlan) -> None:
        self.seen.append(f"plan of {shown.host}")

    async def ask(self, shown: HostPlan) -> Answer:
        self.seen.append(f"question for {shown.host}")
        self.is_asked.set()
        await self.may_answer.wait()
        answers = self._answers[shown.host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def show_diff(self, shown: HostPlan) -> None:
        self.seen.append(f"diff of {shown.host}")

    def consent(self, hosts: str, by: str = "ada") -> Consent:
        return Consent(hosts.split(), by, self.show, self.ask, self.show_diff)


def asked(hosts: str, **answers: Answer | list[Answer]) -> tuple[dict[str, str], list[str]]:
    """Who confirmed each host when their plans come at once, and what the person saw."""

    async def story() -> tuple[dict[str, str], list[str]]:
        person = Person(**answers)
        consent = person.consent(hosts, "ada@saturn")
        said = await asyncio.gather(*(consent.of(plan(host)) for host in hosts.split()))
        return dict(zip(hosts.split(), said, strict=True)), person.seen

    return asyncio.run(story())


def test_each_host_is_shown_and_asked_one_at_a_time():
    assert asked("a b", a=Answer.YES, b=Answer.NO) == (
        {"a": "ada@saturn", "b": ""}, ["plan of a", "question for a", "plan of b", "question for b"],
    )  # fmt: skip


def test_all_confirms_this_host_and_all_that_remain_and_still_shows_their_plans():
    assert asked("a b c", a=Answer.NO, b=Answer.ALL) == (
        {"a": "", "b": "ada@saturn", "c": "ada@saturn"},
        ["plan of a", "question for a", "plan of b", "question for b", "plan of c"],
    )


def test_quit_declines_this_host_and_all_that_remain_but_not_those_before():
    assert asked("a b c", a=Answer.YES, b=Answer.QUIT) == (
        {"a": "ada@saturn", "b": "", "c": ""},
        ["plan of a", "question for a", "plan of b", "question for b", "plan of c"],
    )


def test_a_person_may_look_at_the_differences_before_answering():
    assert asked("a", a=[Answer.DIFF, Answer.DIFF, Answer.NO]) == (
        {"a": ""},
        ["plan of a", *["question for a", "diff of a"] * 2, "question for a"],
    )


def test_a_host_whose_plan_became_stale_is_asked_again():
    async def story() -> None:
        person = Person(a=[Answer.YES, Answer.NO])
        consent = person.consent("a")

        assert [await consent.of(plan("a")), await consent.of(plan("a"))] == ["ada", ""]
        assert person.seen == ["plan of a", "question for a"] * 2

    asyncio.run(story())


def test_nothing_starts_before_everybody_was_asked():
    async def story() -> None:
        person = Person(a=Answer.YES, b=Answer.NO)
        consent = person.consent("a b")
        first = asyncio.create_task(consent.of(plan("a")))
        await person.is_asked.wait()
        person.may_answer.clear()
        person.is_asked.clear()
        second = asyncio.create_task(consent.of(plan("b")))
        await person.is_asked.wait()

        assert not first.done()
        person.may_answer.set()
        assert await asyncio.gather(first, second) == ["ada", ""]

    asyncio.run(story())


def test_a_host_that_will_not_ask_any_more_is_not_waited_for():
    async def story() -> None:
        person = Person(a=Answer.YES)
        consent = person.consent("a dead")
        waiting = asyncio.create_task(consent.of(plan("a")))
        await person.is_asked.wait()

        consent.settled("dead")
        consent.settled("dead")

        assert await waiting == "ada"

    asyncio.run(story())


def test_a_declined_host_waits_for_nobody():
    async def story() -> None:
        person = Person(a=Answer.NO)

        assert await person.consent("a slow").of(plan("a")) == ""

    asyncio.run(story())


def test_yes_given_beforehand_shows_the_plan_and_waits_for_nobody():
    async def story() -> None:
        person = Person()

        consent = Consent(["a", "slow"], "ada", person.show, None, person.show_diff)

        assert await consent.of(plan("a")) == "ada"
        assert person.seen == ["plan of a"]

    asyncio.run(story())


def test_a_question_that_is_called_off_lets_the_next_host_ask():
    async def story() -> None:
        person = Person(a=Answer.YES, b=Answer.YES)
        person.may_answer.clear()
        consent = person.consent("a b")
        first = asyncio.create_task(consent.of(plan("a")))
        await person.is_asked.wait()

        first.cancel()
        consent.settled("a")
        person.may_answer.set()

        assert await consent.of(plan("b")) == "ada"

    asyncio.run(story())
