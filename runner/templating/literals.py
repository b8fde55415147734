"""Literal parts of a template that no person means to send.

Pure: a parsed template and the sheet's columns in, findings out. What a cell holds is never looked
at. Another program's placeholder is certain when a column's name is in it; else it is asked about
where its marks, or the word in it, hardly have another meaning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5

from jinja2 import nodes

from runner.findings import Finding

Place = Callable[[int], tuple[str, int]]
"""Gives the file and line that are told for a line of a template; 0 for the whole of it."""

_PRINTED = "\ufffc"
"""Stands in a literal text where `{{ … }}` prints something."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAME: Sequence[frozenset[str]] = [
    _words("firstname fname first givenname forename vorname prenom nombre"),
    _words("lastname lname last surname familyname nachname"),
    _words("fullname name fullnames"),
    _words("company companyname organization organisation organizationname firma employer"),
    _words("jobtitle title position headline"),
    _words("email emailaddress mail"),
    _words("phone phonenumber mobile telephone"),
    _words("city town"),
    _words("website companywebsite homepage"),
    _words("zip zipcode postcode postalcode"),
]
"""Names that other programs give to the same column, normalised."""

_WORDS = frozenset().union(*_SAME) - {"first", "last", "position", "mobile", "headline"} | _words(
    "country state region industry url link date time topic product productname price address "
    "street username nickname salutation anrede signature unsubscribe industryname department "
    "school university hometown birthday sender recipient"
)
"""Words that stand in placeholders, normalised."""
_BEGINS = (
    *("your ", "my ", "our ", "insert ", "enter ", "recipient", "sender", "contact ", "customer "),
    *("client ", "lead ", "prospect ", "user ", "subscriber "),
)

_SNAKE = re.compile(r"[^\W\d_]\w*?[^\W_]_[^\W_]\w*")
_CAMEL = re.compile(r"[a-z]+(?:[A-Z][a-z0-9]+)+")

_TAGS = _words(
    "a abbr article aside b big blockquote body br button center code col dd div dl dt em font "
    "footer form h1 h2 h3 h4 h5 h6 head header hr html i img input ins label li link main meta nav "
    "ol option p pre s script section small span strike strong style sub sup table tbody td tfoot "
    "th thead title tr tt u ul video"
)
_TAG = re.compile(
    r"</?([a-zA-Z][a-zA-Z0-9]*)(?:\s+[\w:-]+\s*=[^<>]*)?\s*/?>|<!--|<!doctype\b", re.I
)
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,30}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_HEADER = re.compile(
    r"\s*(to|subject|from|cc|bcc|reply-to|content-type|mime-version|betreff|objet|asunto|oggetto)"
    r"[ \t]*:",
    re.I,
)
_ESCAPE = re.compile(r"\\(?:r\\n|[nrt])")
_PATH = re.compile(r"[A-Za-z]:\\|\\\\|%\w+%\\|~\\|\.{1,2}\\|.*\\[\w.-]*\.\w{1,5}[.,;:!?)]*$")

_INNER = r"([^{}\n]{1,80})"
_NAME = r"([^\W_][^\n{}\[\]<>|%#*$«»‹›()]{0,60})"
_WORD = r"([^\W\d_]\w{0,60})"

CURLY, BRACKET, SIGNS, QUOTE, WEAK, BARE = "curly", "bracket", "signs", "quote", "weak", "bare"

_MARKS: Sequence[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"\*\|([^|*\n]{1,80})\|\*", CURLY),
        (r"\[%[-=]?([^%\]\n]{1,80})%\]", CURLY),
        (r"<%[-=]?([^%>\n]{1,80})%>", CURLY),
        (r"<<([^<>\n]{1,80})>>", CURLY),
        (r"%%([^%\n]{1,80})%%", CURLY),
        (r"[$#%@]?(?:\{\s*){2,3}" + _INNER + r"(?:\}\s*){1,2}\}", CURLY),
        (r"[$#%@]?\{" + _INNER + r"\}", CURLY),
        (r"\$\(" + _NAME + r"\)", CURLY),
        (r"\[\[([^\[\]\n]{1,80})\]\]", BRACKET),
        (r"[［【]([^\[\]［］【】\n]{1,80})[］】]", BRACKET),
        (r"｛([^{}｛｝\n]{1,80})｝", CURLY),
        (r"\$?\[\*?([^\[\]\n]{1,80}?)\*?\]", BRACKET),
        (r"%" + _NAME + r"%", SIGNS),
        (r"##" + _NAME + r"##", SIGNS),
        (r"#" + _NAME + r"#", SIGNS),
        (r"\$" + _NAME + r"\$", SIGNS),
        (r"<" + _NAME + r">", SIGNS),
        (r"__([^\W_]\w{0,60}?)__", SIGNS),
        (r"«\s*([^«»\n]{1,60}?)\s*»", QUOTE),
        (r"‹\s*([^‹›\n]{1,60}?)\s*›", QUOTE),
        (r"\(" + _NAME + r"\)", WEAK),
        (r"(?<![\w@.])@" + _WORD + r"(?!\.?\w)", WEAK),
        (r"(?<![\w$])\$" + _WORD, WEAK),
        (r"(?<![\w:/]):" + _WORD + r"(?!:)", WEAK),
        (r"(?<![\w|])\|" + _WORD + r"\|(?![\w|])", WEAK),
        (r"(?<![\w~])~" + _WORD + r"~(?![\w~])", WEAK),
        (r"(?<![\w^])\^" + _WORD + r"\^(?![\w^])", WEAK),
        (r"(?<![\w#&])#" + _WORD, BARE),
        (r"(?<!\w)_([^\W\d_]\w{0,60}?[^\W_])_(?!\w)", BARE),
        (r"(?<![\w@#$:/.\\-])" + _WORD + r"(?![\w@/\\-])", BARE),
    )
]


@dataclass(frozen=True, slots=True)
class _Text:
    """A literal text, and where its pieces begin: offset and line."""

    text: str
    pieces: Sequence[tuple[int, int]]

    def line(self, at: int) -> int:
        start, line = max(piece for piece in self.pieces if piece[0] <= at)
        return line + self.text.count("\n", start, at)


def literal_findings(tree: nodes.Template, columns: Sequence[str], place: Place) -> list[Finding]:
    """Return findings about the template's own words. `columns`: as a template writes them;
    `place`: the file and line that are told for a line of the template."""
    found: dict[tuple[str, str], Finding] = {}

    def add(code: str, what: str, instead: str, line: int) -> None:
        file, told = place(line)
        found.setdefault((code, what), Finding(code, what, instead, file, told))

    def sent(written: str) -> str:
        return f"{_shown(written)} would be sent as it stands"

    names = PlaceholderNames(columns)
    example = next((each for each in columns if not each.endswith("id")), "first_name")
    texts = list(_texts(tree))
    for text in texts:
        for code, at, written, column in _placeholders(text.text, names):
            if code == "spintax":
                instead = "keep one of the words"
            elif code == "placeholder_of_column":
                instead = f"write {{{{ {column} }}}}"
            elif column:
                instead = f"a column is written {{{{ {column} }}}}; is it meant?"
            else:
                instead = f"a column is written {{{{ {example} }}}}"
                instead += f"; columns there are: {', '.join(columns[:8])}" if columns else ""
                instead += "; is it meant?"
            add(code, sent(written), instead, text.line(at))
        for at, written in _escapes(text.text):
            instead = "remove the backslash" if written == "\\{{" else "break the line instead"
            add("escape_visible", sent(written), instead, text.line(at))
        if html := _html(text.text):
            add("html_text", sent(html[1]), "write plain text", text.line(html[0]))
    if texts and (header := _HEADER.match(texts[0].text)):
        what, line = sent(f"{header[1]}:"), texts[0].line(header.start(1))
        add("mail_text", what, "remove it", line)
    for line, value in _constants(tree):
        column = names.of(value) if isinstance(value, str) else ""
        code = "placeholder_of_column" if column else "placeholder"
        if column or not isinstance(value, str):
            what = f"{{{{ {value!r} }}}} prints {value} for everybody"
            instead = f"write {{{{ {column or example} }}}}"
            add(code, what, instead if column else instead + " for a column", line)
    return list(found.values())


class PlaceholderNames:
    """The columns, found by whatever another program calls them."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._exact: dict[str, str] = {}
        for name in columns:
            self._exact.setdefault(normal(name), name)
        self._exact.pop("", None)
        self._same = {
            each: next(self._exact[name] for name in sorted(group) if name in self._exact)
            for group in _SAME
            if any(name in self._exact for name in group)
            for each in group
        }

    def of(self, text: str) -> str:
        """Return the column that a text names, in whatever case and spelling; empty for none."""
        name = normal(text)
        return self._exact.get(name) or self._same.get(name, "")


def normal(text: str) -> str:
    """Return a name as other programs' spellings have it in common: `First Name`, `firstName` and
    `FIRST_NAME` are `firstname`."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in text if c.isalnum() or unicodedata.category(c).startswith("M"))


def _texts(tree: nodes.Template) -> Iterator[_Text]:
    """Yield the literal texts of a template in their order, and what it prints in a cell's
    place."""
    for output in tree.find_all(nodes.Output):
        text, pieces = "", []
        for node in output.nodes:
            pieces.append((len(text), node.lineno))
            text += node.data if isinstance(node, nodes.TemplateData) else _PRINTED
        yield _Text(text, pieces)
    for node in tree.find_all((nodes.Filter, nodes.Or, nodes.CondExpr)):
        instead: list[nodes.Node | None] = []
        if isinstance(node, nodes.Filter):
            instead = [*node.args] if node.name in ("default", "d") else []
        elif isinstance(node, nodes.Or):
            instead = [node.right]
        elif isinstance(node, nodes.CondExpr):
            instead = [node.expr1, node.expr2]
        for each in instead:
            if isinstance(each, nodes.Const) and isinstance(each.value, str):
                yield _Text(each.value, [(0, each.lineno)])


def _constants(tree: nodes.Template) -> Iterator[tuple[int, object]]:
    """Return the values that `{{ … }}` prints alike for every row: `{{1}}`, `{{ "first_name"
    }}`."""
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.Const) and not isinstance(node.value, bool):
                yield node.lineno, node.value


def _placeholders(text: str, names: PlaceholderNames) -> Iterator[tuple[str, int, str, str]]:
    """Yield code, offset, what is written, and the column meant, if any; each writing once."""
    taken = bytearray(len(text))
    seen: set[str] = set()
    for pattern, kind in _MARKS:
        at = 0
        while match := pattern.search(text, at):
            at = match.start() + 1
            if any(taken[match.start() : match.end()]):
                continue
            decided = _decided(text, match, kind, names)
            if not decided:
                continue
            at = match.end()
            taken[match.start() : at] = b"1" * (at - match.start())
            written = match[0].rstrip()
            if written not in seen:
                seen.add(written)
                yield decided[0], match.start(), written, decided[1]
    at = text.find(_PRINTED + "}")
    if at >= 0 and not any(taken[at : at + 2]):
        yield "placeholder", at, _PRINTED + "}", ""


def _decided(
    text: str, match: re.Match[str], kind: str, names: PlaceholderNames
) -> tuple[str, str] | None:
    """Return the code and the column of what stands in marks; None where it may well be meant."""
    inner = match[1].strip()
    if _PRINTED in inner:
        if kind == CURLY:
            return ("spintax" if "|" in inner else "placeholder"), ""
        return None
    column = next(filter(None, map(names.of, _spellings(inner, kind))), "")
    coded = bool(_SNAKE.fullmatch(inner) or _CAMEL.fullmatch(inner))
    word = _is_word(inner)
    if kind == CURLY:
        if column:
            return "placeholder_of_column", column
        if "|" in inner:
            return "spintax", ""
        tight = re.fullmatch(r"[^\W\d_][\w.-]+", match[1]) is not None
        return ("placeholder", "") if tight or coded or word else None
    if kind == BRACKET:
        if column and not inner.isdigit():
            # `[website](https://…)` may be a link that is written so.
            link = text[match.end() : match.end() + 1] == "("
            return ("placeholder" if link else "placeholder_of_column"), column
        return ("placeholder", "") if coded or word else None
    if kind == SIGNS:
        if inner.lower() in _TAGS and match[0][0] == "<":
            return None
        if column and not inner.isdigit():
            return "placeholder_of_column", column
        around = text[max(0, match.start() - 1) : match.start()] + text[match.end() :][:1]
        single = match[0][0] == "%" and re.fullmatch(r"[A-Za-z]\w+", inner)
        if any(c.isalnum() for c in around) or not (coded or word or single):
            return None
        return "placeholder", ""
    if _in_address(text, match):
        return None
    snake = _SNAKE.fullmatch(inner) is not None
    if kind in (QUOTE, WEAK):
        if column:
            if snake:
                return "placeholder_of_column", column
            if match[0][0] == ":" and not coded:
                return None
            return "placeholder", column
        return ("placeholder", "") if coded and word else None
    if column and (snake or (coded and normal(column) == normal(inner))):
        return "placeholder", column
    if inner.isupper() and normal(inner) in ("fname", "lname", "firstname", "lastname"):
        return "placeholder", column
    return None


def _spellings(inner: str, kind: str) -> Iterator[str]:
    """Return the names of a column in a placeholder: whole, without its object, or before a
    fallback."""
    yield inner
    if kind not in (CURLY, BRACKET, SIGNS, QUOTE):
        return
    head = re.sub(r"^(?:insert|enter|add)\s+|\s+here$", "", inner, flags=re.I)
    yield head
    if kind == CURLY or "fallback" in inner.lower() or "default" in inner.lower():
        head = re.split(r"\||,(?=.*(?:fallback|default|alt))|:(?=\S)|\?\?", head, maxsplit=1)[0]
        yield head
    head = re.sub(r"^merge\s*field\s+", "", head.strip(), flags=re.I)
    if re.fullmatch(r"[!=$@]?[\w -]+(?:[.:][\w -]+)+", head):
        yield re.split(r"[.:]", head)[-1]


def _is_word(inner: str) -> bool:
    """Return whether it is a word of placeholders, such as `City` or `Your Name`."""
    lower = inner.lower().replace("_", " ")
    begins = lower.startswith(_BEGINS) and len(lower.split()) <= 4
    return normal(inner) in _WORDS or begins


def _in_address(text: str, match: re.Match[str]) -> bool:
    """Return whether it stands in a web or mail address."""
    token = _token(text, match.start())
    return "://" in token or "www." in token or re.search(r"\w@\w", token) is not None


def _token(text: str, at: int, most: int = 200) -> str:
    """Return the text around a place, as far as the next spaces."""
    before = re.split(rf"[\s{_PRINTED}]", text[max(0, at - most) : at])[-1]
    return before + re.split(rf"[\s{_PRINTED}]", text[at : at + most], maxsplit=1)[0]


def _escapes(text: str) -> Iterator[tuple[int, str]]:
    """Yield escapes that show, and a backslash before what is printed."""
    seen: set[str] = set()
    for match in _ESCAPE.finditer(text):
        if match[0] not in seen and not _PATH.match(_token(text, match.start())):
            seen.add(match[0])
            yield match.start(), match[0]
    at = text.find("\\" + _PRINTED)
    if at >= 0 and not (at and re.match(r"[\w:\\]", text[at - 1])):
        yield at, "\\{{"


def _html(text: str) -> tuple[int, str] | None:
    """Return the first HTML tag or entity."""
    for match in _TAG.finditer(text):
        if not match[1] or match[1].lower() in _TAGS:
            return match.start(), match[0]
    for found in _ENTITY.finditer(text):
        if found[0][1] == "#" or found[0][1:] in html5:
            return found.start(), found[0]
    return None


def _shown(text: str, most: int = 60) -> str:
    text = text.replace(_PRINTED, "{{ … }}")
    return text if len(text) <= most else text[: most - 1] + "…"
