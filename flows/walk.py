"""Where a person stands in a walk, and what an answer changes: the rules of the engine applied to one run.

Standing is derived at every request and written by a POST alone, so a GET changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

from flows import run as runs
from flows.context import Context, Step
from flows.engine import Handover, Leave, Message, Outcome, Proved, Restart, Retry, Revisit
from flows.journeys import JOURNEYS, Journey
from idp.models.units import together
from idp.services.metrics import JOURNEYS as JOURNEYS_WALKED
from idp.services.metrics import STEPS

KEPT_LENGTH = 300
Entries = dict[str, dict[str, str]]
ENDINGS: dict[type[Outcome], str] = {
    Proved: "proved", Retry: "refused", Restart: "restarted", Revisit: "revisited", Handover: "handed_over",
    Leave: "left",
}  # fmt: skip


@dataclass(frozen=True)
class Walk:
    """One run: `ctx.state` holds what is proved now, which may differ from what is `stored`; `lost` says what was
    proved and no longer holds.
    """

    journey: Journey
    ctx: Context
    stored: Any
    lost: Restart | None = None

    @classmethod
    def stand(cls, journey: Journey, ctx: Context) -> Walk:
        """Step by step: prove what needs no question, recheck what was proved, stop at what is open."""
        itinerary, stored, lost = journey.itinerary, ctx.state, None
        ctx = replace(ctx, read={})
        for step in itinerary.steps:
            if not step.applies(ctx.state):
                continue
            before, ctx = ctx, _proved_by_itself(journey, ctx, step)
            if not itinerary.is_proved(step, ctx.state):
                break
            if ctx is before and (lost := step.recheck(ctx)):  # what was proved this very moment holds
                owner = itinerary.find(lost.step)
                ctx = _proved_by_itself(journey, replace(ctx, state=itinerary.back(ctx.state, owner)), owner)
                break
        return cls(journey, ctx, stored, lost)

    @property
    def current(self) -> Step | None:
        return self.journey.itinerary.current(self.ctx.state)

    def step_at(self, path: str) -> Step | None:
        """The step of this address that is open: the current one or one before it."""
        itinerary, state = self.journey.itinerary, self.ctx.state
        found = (step for step in itinerary.steps if self.journey.paths[step.name] == path and step.has_screen)
        return next((step for step in found if itinerary.is_open(step, state) and not self._is_over(step)), None)

    def way_back(self, path: str) -> str:
        """Where an address leads whose step is not open: to what stands in its place, else to where the person is."""
        for step in self.journey.itinerary.steps:
            if self.journey.paths[step.name] == path and self._is_over(step):
                return self.address(self.journey.itinerary.find(step.once_proved))
        return self.here()

    def _is_over(self, step: Step) -> bool:
        return bool(step.once_proved) and self.journey.itinerary.is_proved(step, self.ctx.state)

    def address(self, step: Step | None = None) -> str:
        """Where this step is shown; without one, where the person stands."""
        step = step or self.current or self._last()
        if not step.has_screen:
            return f"/{self.ctx.portal.slug}/login?then={self.ctx.handle}"
        return self.ctx.link(self.journey.paths[step.name])

    def here(self) -> str:
        """Where the person stands, with the word of what was lost in sight."""
        return self.address() + ("#e" if self.lost and self.lost.message else "")

    def _last(self) -> Step:
        return [step for step in self.journey.itinerary.steps if step.applies(self.ctx.state)][-1]


def _proved_by_itself(journey: Journey, ctx: Context, step: Step) -> Context:
    if journey.itinerary.is_proved(step, ctx.state) or (facts := step.automatic(ctx)) is None:
        return ctx
    return replace(ctx, state=journey.itinerary.prove(ctx.state, step, facts))


def answer(walk: Walk, path: str, action: str | None, typed: Mapping[str, str]) -> str | None:
    """Judge one form and return where to go; None where the page has no such button."""
    step = walk.step_at(path)
    if step is None or walk.lost:
        together()
    if walk.lost and (step is None or step.name != walk.lost.step):
        return _restart(walk, walk.lost)
    if step is None:
        return _too_late(walk, path, typed)
    entries = {name: typed.get(name, "")[:KEPT_LENGTH] for name in step.keeps}
    if action == "keep":
        return _keep(walk, step, entries)
    if action is not None:
        acted = step.act(walk.ctx, action)
        return _conclude(walk, step, acted, {}) if acted else None
    outcome = step.judge(walk.ctx, dict(typed))
    together()
    return _conclude(walk, step, outcome, entries)


def _too_late(walk: Walk, path: str, typed: Mapping[str, str]) -> str:
    """The owner took longer than a confirmation is good for: what was typed is there again after the next one
    (ux.md §4.5), for nobody but its owner.
    """
    run, entries = walk.ctx.run, dict[str, dict[str, str]]()
    for step in walk.journey.itinerary.steps if walk.journey.is_own else ():
        kept = {name: typed[name][:KEPT_LENGTH] for name in step.keeps if typed.get(name)}
        if kept and walk.journey.paths[step.name] == path:
            entries = _merged(run.entries, step.name, kept)
    if entries:
        state = replace(walk.ctx.state, account_id=str(walk.ctx.owner.account_id))
        _save(walk, state, entries=entries)
    return walk.address()


def _keep(walk: Walk, step: Step, typed: Mapping[str, str]) -> str:
    """What was typed so far stays while the language changes; nothing is judged, errors stand as they stood."""
    run = walk.ctx.run
    entries = _merged(run.entries, step.name, typed)
    _save(walk, walk.ctx.state, entries=entries, errors=run.errors, notice=run.notice)
    return walk.address(step)


def _conclude(walk: Walk, step: Step, outcome: Outcome, typed: Mapping[str, str]) -> str:
    """Keep what was typed, store the outcome, and lead on."""
    entries = _merged(walk.ctx.run.entries, step.name, typed)
    walk.ctx.count(STEPS, walk.journey.name, step.name, ENDINGS[type(outcome)])
    match outcome:
        case Proved():
            return _go_on(walk, step, outcome, entries)
        case Retry():
            return _again(walk, step, outcome, entries)
        case Restart():
            return _restart(walk, outcome)
        case Revisit():
            _save(walk, walk.ctx.state, entries=_merged(entries, outcome.step, outcome.entries))
            return f"{walk.address(walk.journey.itinerary.find(outcome.step))}#f-{outcome.field}"
        case Handover():
            return _hand_over(walk, JOURNEYS[outcome.journey])
        case Leave():
            return outcome.address


def _go_on(walk: Walk, step: Step, outcome: Proved, entries: Entries) -> str:
    """Store what was proved, send what the next step needs, and show it; or finish."""
    itinerary, ctx = walk.journey.itinerary, walk.ctx
    owner = itinerary.find(outcome.of) if outcome.of else step
    moved = Walk.stand(walk.journey, replace(ctx, state=itinerary.prove(ctx.state, owner, outcome.facts)))
    if moved.lost:
        return _restart(moved, moved.lost)
    following = moved.current
    if following is None:
        return _finish(moved, step)
    entries = _merged(entries, owner.name, outcome.entries)
    entries = _merged(entries, following.name, following.prepare(moved.ctx))
    marks = _proved(walk, owner)
    ctx.count(STEPS, walk.journey.name, following.name, "entered")
    return moved.address() if _save(walk, moved.ctx.state, entries=entries, marks=marks) else walk.address(step)


def _again(walk: Walk, step: Step, outcome: Retry, entries: Entries) -> str:
    errors = {name: _packed(message) for name, message in outcome.errors.items() if name}
    status = outcome.errors.get("")
    notice = {step.name: _packed(status)} if status else {}
    _save(
        walk, walk.ctx.state, entries=entries, errors={step.name: errors} if errors else {}, notice=notice,
        marks=_refused(walk, outcome),
    )  # fmt: skip
    return walk.address(step) + ("#e" if errors else "")


def _restart(walk: Walk, lost: Restart) -> str:
    step = walk.journey.itinerary.find(lost.step)
    errors = {lost.step: {lost.field: _packed(lost.message)}} if lost.message else {}
    _save(walk, walk.journey.itinerary.back(walk.ctx.state, step), errors=errors)
    return walk.address(step) + ("#e" if errors else "")


def _finish(walk: Walk, step: Step) -> str:
    """Nothing is left to prove: end the journey, once; a slower click is shown what the faster one reached."""
    ended = walk.journey.finish(walk.ctx)
    if isinstance(ended, Restart):
        return _restart(walk, ended)
    if isinstance(ended, Handover):
        return _hand_over(walk, JOURNEYS[ended.journey])
    if ended is not None:
        walk.ctx.count(JOURNEYS_WALKED, walk.journey.name, walk.ctx.portal.slug, "finished")
    return ended if ended is not None else walk.address(step)


def _hand_over(walk: Walk, journey: Journey) -> str:
    """Begin the other journey with the letter code that this browser holds."""
    ctx = walk.ctx
    run, handle = runs.begin(
        ctx.services,
        journey=journey.name,
        state=journey.itinerary.initial,
        portal=ctx.portal,
        browser_hash=ctx.browser_hash,
        idle_for=journey.idle_for(ctx.services.settings),
        resume=runs.resume_address(ctx.services, ctx.run),
    )
    begun = replace(ctx, run=run, handle=handle, state=journey.itinerary.initial, version=run.version)
    if _move_code(ctx, run.id):
        known = {field.name for field in fields(begun.state)} & {"code_id", "person_id"}
        begun = replace(begun, state=replace(begun.state, **{name: getattr(ctx.state, name) for name in known}))
        runs.save(
            run.id, run.version, now=ctx.now, idle_for=journey.idle_for(ctx.services.settings), moves=False,
            state=runs.freeze(begun.state),
        )  # fmt: skip
    return Walk.stand(journey, begun).here()


def _move_code(ctx: Context, run_id: UUID) -> bool:
    codes = ctx.services.registration_codes
    row = codes.holder(UUID(ctx.state.code_id))
    return row is not None and row.reserved_by == ctx.run_id and codes.reserve(row, run_id)


def _save(walk: Walk, state: Any, **values: Any) -> bool:
    ctx = walk.ctx
    return runs.save(
        ctx.run_id, ctx.version, now=ctx.now, idle_for=walk.journey.idle_for(ctx.services.settings),
        moves=state != walk.stored, state=runs.freeze(state), **{"errors": {}, "notice": {}, **values},
    )  # fmt: skip


def _proved(walk: Walk, step: Step) -> dict[str, Any]:
    """For figures: how long it took until this step was proved first."""
    ctx = walk.ctx
    marks = ctx.run.marks or {}
    took = int((ctx.now - ctx.run.created_at).total_seconds())
    return {**marks, "proved": {step.name: took, **marks.get("proved", {})}}


def _refused(walk: Walk, outcome: Retry) -> dict[str, Any]:
    """For figures: which errors were shown, by their keys alone."""
    marks, shown = walk.ctx.run.marks or {}, [message.key for name, message in outcome.errors.items() if name]
    return {**marks, "errors": dict(Counter(marks.get("errors", {})) + Counter(shown))}


def _merged(entries: Entries, step: str, more: Mapping[str, str]) -> Entries:
    return {**entries, step: {**entries.get(step, {}), **more}} if more else entries


def _packed(message: Message) -> list[Any]:
    return [message.key, message.values]
