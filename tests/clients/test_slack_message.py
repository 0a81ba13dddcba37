"""What people see, and that nothing in a notice can break Slack's form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.clients.slack_message import SlackMessage, mentions, render, render_together
from canary.ports import Notification
from canary.sandbox.slack_limits import fault

FAILED = Notification(
    namespace="shop",
    canary="checkout",
    reason="RolledBack",
    text="success rate 91 % < 99 % & falling",
    failure=True,
    mentions=True,
    facts={"Weight": "10 %", "Revision": "<abc>"},
)


def test_a_failure_is_red_and_mentions_and_shows_its_facts() -> None:
    assert render(FAILED, mention="here") == SlackMessage(
        text="🔴 *shop/checkout* success rate 91 % &lt; 99 % &amp; falling <!here>",
        attachments=(
            {
                "color": "#e01e5a",
                "fallback": "RolledBack: success rate 91 % &lt; 99 % &amp; falling",
                "blocks": [
                    {
                        "type": "section",
                        "fields": [
                            {"type": "mrkdwn", "text": "*Weight*\n10 %"},
                            {"type": "mrkdwn", "text": "*Revision*\n&lt;abc&gt;"},
                        ],
                    },
                    {"type": "context", "elements": [{"type": "mrkdwn", "text": "RolledBack"}]},
                ],
            },
        ),
    )


def test_a_failure_that_needs_nobody_is_red_and_mentions_nobody() -> None:
    assert render(replace(FAILED, mentions=False, text="x"), mention="here").text == "🔴 *shop/checkout* x"


def test_what_is_no_failure_is_green_and_mentions_nobody() -> None:
    message = render(
        replace(FAILED, failure=False, mentions=False, mention="U123", text="ok", facts={}), mention="here"
    )
    assert message == SlackMessage(
        text="🟢 *shop/checkout* ok",
        attachments=(
            {
                "color": "#2eb67d",
                "fallback": "RolledBack: ok",
                "blocks": [{"type": "context", "elements": [{"type": "mrkdwn", "text": "RolledBack"}]}],
            },
        ),
    )


def test_the_mention_of_a_notice_goes_before_the_default() -> None:
    assert render(replace(FAILED, text="x", mention="S0TEAM"), mention="here").text.endswith(" x <!subteam^S0TEAM>")


@pytest.mark.parametrize(
    ("whom", "mention"),
    [
        ("here", "<!here>"),
        ("@channel", "<!channel>"),
        ("@everyone", "<!everyone>"),
        ("U0AB12", "<@U0AB12>"),
        ("@W0AB12", "<@W0AB12>"),
        ("S0AB12", "<!subteam^S0AB12>"),
        ("<@U0AB12>", "<@U0AB12>"),
        ("<!subteam^S0AB12>", "<!subteam^S0AB12>"),
        ("U0AB12, here", "<@U0AB12> <!here>"),
        ("  ", ""),
        ("@bob", "@bob"),
        ("<http://evil|text>", "&lt;http://evil|text&gt;"),
    ],
)
def test_a_mention_may_be_written_in_any_usual_form(whom: str, mention: str) -> None:
    assert mentions(whom) == mention


def test_text_that_is_too_long_is_cut_with_a_sign_and_keeps_its_mention() -> None:
    text = render(replace(FAILED, text="x" * 5000), mention="here").text
    assert (len(text), text[-10:]) == (3000, "x… <!here>")


def test_a_cut_never_leaves_a_part_of_an_escape() -> None:
    for length in range(2970, 2990):
        text = render(replace(FAILED, text="x" * length + "&" * 50)).text
        assert text.rstrip("…").replace("&amp;", "").count("&") == 0


def test_facts_that_are_too_many_are_left_out_and_counted() -> None:
    blocks = render(replace(FAILED, facts={f"f{number}": "v" for number in range(30)})).attachments[0]["blocks"]
    fields = [field["text"] for block in blocks if block["type"] == "section" for field in block["fields"]]
    assert (len(fields), fields[-2:]) == (20, ["*f18*\nv", "*More*\n11 facts are left out"])


ANY_TEXT = st.one_of(st.text(max_size=60), st.text(alphabet="&<>x\n\0", max_size=9000))


@given(
    text=ANY_TEXT,
    name=ANY_TEXT,
    reason=ANY_TEXT,
    mention=ANY_TEXT,
    facts=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=25),
    failure=st.booleans(),
)
def test_whatever_a_notice_says_slack_takes_the_message(
    text: str, name: str, reason: str, mention: str, facts: dict[str, str], failure: bool
) -> None:
    notice = Notification(
        namespace="shop",
        canary=name,
        reason=reason,
        text=text,
        failure=failure,
        facts=facts,
        mention=mention,
        mentions=True,
    )
    message = render(notice)
    assert (fault(message.body()), len(message.text) <= 3000) == ("", True)


def test_several_are_a_line_each_red_and_mentioning_when_one_of_them_is() -> None:
    passed = replace(FAILED, reason="WeightAdvanced", text="Weight <raised>", failure=False, mentions=False)
    message = render_together([passed, replace(FAILED, mention="U123"), passed], mention="here")
    assert message == SlackMessage(
        text="🔴 *shop/checkout* 3 things came faster than Slack takes messages <@U123>",
        attachments=(
            {
                "color": "#e01e5a",
                "fallback": "WeightAdvanced to WeightAdvanced",
                "blocks": [
                    {
                        "type": "section",
                        "text": {
                            "type": "mrkdwn",
                            "text": "🟢 WeightAdvanced: Weight &lt;raised&gt;\n"
                            "🔴 RolledBack: success rate 91 % &lt; 99 % &amp; falling\n"
                            "🟢 WeightAdvanced: Weight &lt;raised&gt;",
                        },
                    }
                ],
            },
        ),
    )


LONG_TEXT = st.builds(lambda one, length: one * length, st.sampled_from('&x"\\\n\x01'), st.integers(300, 9000))


@given(texts=st.lists(st.one_of(ANY_TEXT, LONG_TEXT), min_size=2, max_size=30), name=ANY_TEXT, mention=ANY_TEXT)
def test_whatever_many_say_slack_takes_the_message_and_each_has_its_line(
    texts: list[str], name: str, mention: str
) -> None:
    notices = [replace(FAILED, canary=name, text=text, mention=mention) for text in texts]
    body = render_together(notices).body()
    assert fault(body) == ""
    lines = [line for block in body["attachments"][0]["blocks"] for line in block["text"]["text"].split("\n")]
    assert len(lines) == len(texts)
