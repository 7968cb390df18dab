"""The catalogue of mutants that break state and meaning: each answers in the right form, and not the truth."""

from collections.abc import Sequence

from mockserver.check.sabotage import (
    Mutant,
    fields,
    in_sessions,
    instead,
    is_call,
    plain,
    values,
)
from mockserver.check.sabotage_list import is_paging, own_pages, paged, twos
from mockserver.check.sabotage_state import (
    TIME,
    also,
    before,
    bound,
    clipped,
    counted_readings,
    delete_answers_again,
    deleted_titled,
    first_stop,
    history,
    limited,
    mixed_under_load,
    next_title,
    one_turn,
    reads_write,
    repeated_ids,
    repeated_in_a_row,
    retitled,
    stale,
    title_once,
    title_resets,
    turned_around,
    undead,
    unkept,
    without_indexes,
    without_project,
)

STATES: Sequence[Mutant] = (
    Mutant("forgets-created", "what create makes is not kept", unkept("create")),
    Mutant("unlisted", "a new session is not in the list", paged(lambda v, _: {"items": v["items"][1:]})),
    Mutant(
        "create-otherwise",
        "create tells another time than is kept",
        fields("create", last_updated_at="2020-01-01T00:00:00.000000"),
        "created-is-found",
    ),
    Mutant(
        "create-reorders",
        "create turns the order of the indexes around",
        before(turned_around, "create"),
        "created-as-asked",
    ),
    Mutant("create-unbound", "create loses the indexes", before(without_indexes, "create")),
    Mutant(
        "create-titled",
        "a new session has a title",
        values(lambda v, _: {**v, "generated_title": "New chat"}, "create", "get_summary", "retrieve", "list"),
    ),
    Mutant(
        "access-ignored",
        "create ignores the shared access",
        fields("create", shared_access="read_only"),
        "access-as-asked",
        "2.17",
    ),
    Mutant("third-id-again", "every third id is the one before", repeated_ids(3)),
    Mutant("sixth-id-again", "the sixth id in a row is the one before", repeated_in_a_row(6), "ids-are-new"),
    Mutant("title-unkept", "a title is not kept", unkept("set_title")),
    Mutant("summary-stale", "a summary is never renewed", stale("get_summary")),
    Mutant("list-untitled", "the list has no titles", fields("list", generated_title=None), "title-is-kept"),
    Mutant("detail-untitled", "the detail has no title", fields("retrieve", generated_title=None), "title-is-kept"),
    Mutant("title-once", "a second title is not kept", title_once(), "title-is-kept"),
    Mutant(
        "canned-title",
        "every message gets the same title",
        fields("set_title", "get_summary", "retrieve", "list", generated_title="New chat..."),
    ),
    Mutant("no-title-made", "a title call makes no title", fields("set_title", generated_title=None)),
    Mutant("letters-lost", "a title loses what is not ASCII", before(clipped, "set_title"), "title-follows-message"),
    Mutant(
        "title-unbinds",
        "a title call tells no indexes",
        fields("set_title", index_ids=None),
        "title-changes-only-the-title",
    ),
    Mutant(
        "time-still",
        "the time never moves",
        values(
            lambda v, _: in_sessions(v, lambda each: {**each, "last_updated_at": TIME}),
            *("create", "get_summary", "retrieve", "list", "set_title"),
        ),
        "time-moves",
    ),
    Mutant(
        "time-in-words",
        "the time is no time",
        values(
            lambda v, _: in_sessions(v, lambda each: {**each, "last_updated_at": "at " + each["last_updated_at"]}),
            *("create", "get_summary", "retrieve", "list", "set_title"),
        ),
        "time-moves",
    ),
    Mutant("reading-writes", "a reading moves the time", also(reads_write, "get_summary")),
    Mutant("undead-detail", "the detail of a deleted session is told", undead("retrieve"), "deleted-is-gone"),
    Mutant("undead-summary", "the summary of a deleted session is told", undead("get_summary"), "deleted-is-gone"),
    Mutant("delete-again", "a session is deleted again and again", delete_answers_again(), "deleted-is-gone"),
    Mutant("deleted-titled", "a deleted session gets a title", deleted_titled(), "deleted-is-gone"),
    Mutant("delete-does-nothing", "delete deletes nothing", unkept("delete")),
    Mutant(
        "delete-takes-two", "delete takes another session with it", also(title_resets, "delete"), "others-untouched"
    ),
    Mutant("title-takes-two", "a title goes to the neighbours, too", also(next_title, "set_title")),
    Mutant(
        "run-untold", "a run is never told", fields("get_summary", "list", "retrieve", job_metadata=None), "run-is-told"
    ),
    Mutant(
        "run-otherwise",
        "a run is told with other tokens",
        values(
            lambda v, _: in_sessions(
                v,
                lambda s: {**s, "job_metadata": s["job_metadata"] and {**s["job_metadata"], "total_output_tokens": 7}},
            ),
            *("get_summary", "list", "retrieve"),
        ),
        "run-is-told",
    ),
    Mutant(
        "user-unheard",
        "the history has not what the user said",
        history(lambda told: [event for event in told if event["type"] != "user_input"]),
        "history-is-kept",
    ),
    Mutant(
        "last-turn-lost",
        "the history has only the first turn",
        history(lambda told: told[: first_stop(told)]),
        "history-is-kept",
    ),
    Mutant("history-reversed", "the history is backwards", history(lambda told: told[::-1]), "history-is-kept"),
    Mutant(
        "text-otherwise",
        "the history has another text",
        history(lambda told: [{**e, "content": e["content"] + "."} if e["type"] == "text" else e for e in told]),
        "history-is-kept",
    ),
    Mutant(
        "stops-lost",
        "the history has no stops",
        history(lambda told: [event for event in told if event["type"] != "stop"]),
        "history-is-kept",
    ),
    Mutant("unlocked", "a turn on other indexes is taken", before(bound, "stream"), "indexes-are-locked"),
    Mutant("locked-out", "no second turn is taken", one_turn(), "indexes-are-locked"),
    Mutant("last-turn-titles", "every turn gives a title", retitled(), "first-turn-titles", "2.17"),
    Mutant(
        "page-lost",
        "a session is on no page",
        own_pages(lambda items: [page[:1] for page in twos(items)]),
        "pages-are-complete",
    ),
    Mutant(
        "page-twice",
        "a session is on two pages",
        own_pages(lambda items: [page + page[:0] for page in [items[:2], *twos(items[1:])]]),
        "pages-are-complete",
    ),
    Mutant("page-long", "a page is longer than was asked for", own_pages(lambda items: [items]), "pages-are-complete"),
    Mutant("page-empty", "the last page is empty", own_pages(lambda items: [*twos(items), []]), "pages-are-complete"),
    Mutant(
        "page-endless",
        "every page has a token",
        paged(lambda v, r: {**v, "next_page_token": "again"} if is_paging(r) else v),
        "pages-are-complete",
    ),
    Mutant(
        "oldest-first",
        "the list begins with the oldest",
        paged(lambda v, r: v if r.query else {**v, "items": v["items"][::-1]}),
        "newest-first",
    ),
    Mutant(
        "projects-mixed",
        "the list of a project has all sessions",
        before(without_project, "list"),
        "project-filters",
    ),
    Mutant("reading-differs", "every 23rd summary tells another time", counted_readings(23), "repeats-are-equal"),
    Mutant("tired", "a session takes twenty titles and no more", limited(20), "repeats-succeed"),
    Mutant("mixes", "calls at once get each other's titles", mixed_under_load(), "concurrent-is-kept"),
    Mutant(
        "long-refused",
        "a long message is refused, which has no limit",
        instead(
            lambda r: plain(413, {"detail": "too long"}) if is_call(r, "set_title") and len(r.body) > 15_000 else None
        ),
        "long-text-is-taken",
    ),
    Mutant(
        "untitled-turn",
        "the first turn gives no title",
        fields("get_summary", "list", "retrieve", generated_title=None),
        "first-turn-titles",
        "2.17",
    ),
)
