"""What a template's own words should not say: placeholders of other programs, and their like."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.findings import Finding
from runner.templating.template import compile_template

COLUMNS = ["x_user_id", "first_name", "company", "city", "prénom", "имя", "employees", "role_2"]


def findings(text: str, columns: list[str] = COLUMNS) -> list[Finding]:
    # A column that is used, so that the text is not the same to everybody.
    return compile_template(text + "{{ city }}", "t.j2").findings(columns)


def codes(text: str, columns: list[str] = COLUMNS) -> set[str]:
    return {each.code for each in findings(text, columns)}


MARKS = [
    "{NAME}", "{ NAME }", "{ { NAME } }", "${NAME}", "%NAME%",
    "%%NAME%%", "[NAME]", "[[NAME]]", "[%NAME%]", "*|NAME|*", "<<NAME>>", "<NAME>", "#NAME#",
    "#{NAME}", "%{NAME}", "{$NAME}", "{!NAME}", "{@NAME}", "<%= NAME %>", "<% NAME %>", "$(NAME)",
    "{NAME|there}", "{NAME:there}", "{NAME, fallback=there}", "[NAME, fallback=there]",
    "*|NAME:Friend|*", "%recipient.NAME%", "{contact.NAME}", "$NAME$", "$[NAME]",
    "[*NAME*]", "##NAME##",
    "[Insert NAME here]", "［NAME］", "【NAME】", "｛NAME｝",
]  # fmt: skip
SPELLINGS = [
    "first_name", "First Name", "FIRST_NAME", "firstName", "FirstName", "FNAME", "first-name",
    "company", "Company", "COMPANY_NAME", "Company Name", "prénom", "Prénom", "ИМЯ", "City",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_a_column_in_the_marks_of_another_program_is_an_error(mark: str) -> None:
    for name in SPELLINGS:
        written = mark.replace("NAME", name)
        assert "placeholder_of_column" in codes(f"Hi {written}, shall I? "), written
        assert "placeholder_of_column" in codes(f"a\n{written}\nb "), written


@given(
    st.sampled_from(["{%s}", "{ %s }", "${%s}", "*|%s|*", "<<%s>>", "[%s]", "{ {%s} }", "#%s#"]),
    # Together no longer than the 60 signs that a placeholder has at most.
    st.text(string.ascii_letters + "éßжд", min_size=2, max_size=25).filter(str.isalpha),
    st.sampled_from([str.lower, str.upper, str.title]),
    st.sampled_from(["_", " ", "-"]),
    st.text(string.ascii_letters, min_size=1, max_size=25),
)
def test_any_column_in_any_marks_is_an_error(
    mark: str, first: str, case: object, between: str, second: str
) -> None:
    column = f"{first}_{second}".casefold()
    written = mark % case(f"{first}{between}{second}")  # type: ignore[operator]  # one of str's
    assert "placeholder_of_column" in codes(f"Hi {written}! ", ["city", column])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Hi\n{first_name}", "t.j2:2: {first_name} would be sent as it stands; "
         "write {{ first_name }}"),
        ("Hi *|FNAME|*", "t.j2:1: *|FNAME|* would be sent as it stands; write {{ first_name }}"),
        ("Hi (first_name),", "t.j2:1: (first_name) would be sent as it stands; "
         "write {{ first_name }}"),
        ("Hi @first_name,", "t.j2:1: @first_name would be sent as it stands; "
         "write {{ first_name }}"),
        ("{Hi|Hello} Ada", "t.j2:1: {Hi|Hello} would be sent as it stands; keep one of the words"),
        ("{Hi {{ city }}|Hello}", "t.j2:1: {Hi {{ … }}|Hello} would be sent as it stands; "
         "keep one of the words"),
        ("Hi,\\nyou", "t.j2:1: \\n would be sent as it stands; break the line instead"),
        ("Hi \\{{ city }}", "t.j2:1: \\{{ would be sent as it stands; remove the backslash"),
        ("TO: {{ city }}\nSUBJECT: x\n", "t.j2:1: TO: would be sent as it stands; remove it"),
        ("a\nb<br/>c", "t.j2:2: <br/> would be sent as it stands; write plain text"),
        ("fish&nbsp;chips", "t.j2:1: &nbsp; would be sent as it stands; write plain text"),
        ("{{ city | default('[City]') }}", "t.j2:1: [City] would be sent as it stands; "
         "write {{ city }}"),
        ("Hi {{ 1 }}", "t.j2:1: {{ 1 }} prints 1 for everybody; write {{ first_name }} for a "
         "column"),
        ("Hi {{ 'First Name' }}", "t.j2:1: {{ 'First Name' }} prints First Name for everybody; "
         "write {{ first_name }}"),
    ],
)  # fmt: skip
def test_it_is_told_where_it_stands_and_what_to_write(text: str, told: str) -> None:
    assert told in map(str, findings(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hi [Your Name],", "placeholder"),
        ("[INSERT COMPANY HERE]", "placeholder"),
        ("Hi {topic},", "placeholder"),
        ("Hi %TOPIC%,", "placeholder"),
        ("Hi <last_name>,", "placeholder"),
        ("Hi *|UNSUB|*,", "placeholder"),
        ("Hi <<greeting>>,", "placeholder"),
        ("Hi «first name»,", "placeholder"),
        ("Hi _first_name_,", "placeholder"),
        ("Hi FIRSTNAME,", "placeholder"),
        ("Hi first_name,", "placeholder"),
        ("Hi $name,", "placeholder"),
        ("Hi { {{ city }} },", "placeholder"),
        ("Hi {{ city }}},", "placeholder"),
        ("Subject: hello\n\nHi", "mail_text"),
        ("Betreff: hallo\n\nHi", "mail_text"),
        ("Hi\\n\\nKim", "escape_visible"),
        ("1.\\tone", "escape_visible"),
        ("<p>Hi", "html_text"),
        ('<a href="https://x.com">x</a>', "html_text"),
        ("a &amp; b", "html_text"),
        ("a &#39; b", "html_text"),
    ],
)
def test_what_only_looks_like_one_is_asked_about(text: str, code: str) -> None:
    columns = ["city", "first_name", "name"]
    assert code in codes(text + " ", columns)
    assert "placeholder_of_column" not in codes(text + " ", columns)


MEANT = [
    "he said it [sic]", "see [1] and [2]", "{ }", "{}", "f() { return x }", "if (x) { go; }",
    "50% off 20%", "50%", "100 % sure, 20% off", "#DevWeek", "#DevWeek #AI", "#1 and #2", "C#",
    "@handle and @kim_w", "(see below)", "(company news)", "<3", "a < b > c", "->", "<- and ->",
    "C:\\new", "C:\\temp\\new\\readme.txt", "\\\\server\\new", "a|b", "yes | no", "$5",
    "$5 and $10",
    "$AAPL", "kim@example.com", "Kim <kim@example.com>", "https://x.com/a?b=c&d=e#f",
    "https://x.com/first_name", "first_name@example.com", "¯\\_(ツ)_/¯", "\\o/", ":-)", ":smile:",
    "What is your first name?", "your company", "Company: Northwind", "« Bonjour »", "«Привет»",
    "*bold* and _italic_", "~5", "5 * 3 * 2", "Q&A; more", "R&D", "AT&T", "the city (of Bath)",
    "[x] done", "[ ] open", "(c) 2026", "a_b", "snake_case", "iPhone and LinkedIn", "JavaScript",
    "{x}", "a{3}", "{1, 2, 3}", "Hi — “you”", "To be honest: yes", "Dear all: hi", "it's 5 o'clock",
    "#love#life", "2 > 1 < 3", "<https://example.com>", "e.g. [update] and [edit]", "50/50", "",
    '{"a": 1}', "let me know (or not)", "T-shirt #42", "$$$", "%", "#", "{", "}", "[", "]",
    "<", ">",
]  # fmt: skip


@pytest.mark.parametrize("text", MEANT)
def test_what_a_person_means_goes_out(text: str) -> None:
    assert findings(f"Hi {text} ") == []
    assert findings(f"{text}\n") == []


@given(st.text(st.characters(exclude_characters="{}[]<>%#*|$@()«»‹›&\\_:~^", codec="utf-8")))
def test_text_without_marks_goes_out(text: str) -> None:
    assert "placeholder_of_column" not in codes(f"Hi {text} ", ["city", "name", "first_name"])
    assert not codes(f"Hi {text} ", ["city"]) - {"placeholder"}


@given(st.text("{}[]<>%#*|$@()«»‹›&\\_:~^ \nab1"))
def test_no_text_is_too_odd(text: str) -> None:
    tree = "{% raw %}" + text + "{% endraw %}"
    findings(tree)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["{a_b} ", "{a_b}", "\\\\n", "a_b ", "a_b@", "#a", "C:\\\\n", "{", "[a", "<a", "% a", "$(a"],
)
def test_a_long_text_takes_no_time(piece: str) -> None:
    begin = time.process_time()
    findings(f"{{% raw %}}{piece * (90_000 // len(piece))}{{% endraw %}}")
    assert time.process_time() - begin < 5


def test_the_same_text_to_everybody_is_asked_about() -> None:
    template = compile_template("Hello!", "t.j2")
    assert [each.code for each in template.findings(["city"])] == ["same_text"]
    used = compile_template("Hello{% if city %}!{% endif %}", "t.j2")
    assert used.findings(["city"]) == []
