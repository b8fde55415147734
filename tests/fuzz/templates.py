"""Templates: a text, or a TemplateError of one line; in bounded time and memory."""

from __future__ import annotations

from pathlib import Path
from random import Random

from runner.errors import TemplateError
from runner.templating.template import MAX_TEXT, compile_template
from tests.fuzz.values import one_line, text, torn

FILTERS = [
    "abs",
    "capitalize",
    "count",
    "first",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "max",
    "min",
    "replace",
    "reverse",
    "round",
    "sort",
    "string",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "sum",
    "title",
    "first_word",
    "default",
    "d",
    "map",
    "tojson",
    "pprint",
    "xmlattr",
    "center",
    "format",
    "batch",
    "groupby",
    "random",
    "attr",
    "wordwrap",
    "indent",
]
METHODS = [
    "upper",
    "lower",
    "split",
    "replace",
    "strip",
    "title",
    "partition",
    "format",
    "format_map",
    "join",
    "center",
    "zfill",
    "encode",
    "ljust",
    "translate",
    "expandtabs",
    "rsplit",
    "splitlines",
    "count",
    "find",
    "__class__",
    "__init__",
    "casefold",
]
NAMES = ("a", "b", "first_name", "x", "self", "loop", "range", "caller", "__class__", "c d", "none")
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or")
OF_LOOP = ("index", "last", "length", "nextitem", "cycle(1, 2)", "changed(a)")
HUGE = (
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(999999999999) %}x{% endfor %}",
    "{% for i in b %}{% for j in b %}{{ i }}{% endfor %}{% endfor %}",
    "{% for i in range(1000) %}{% for j in b %}{% endfor %}{% endfor %}",
    "{% for i in b %}{{ i in b }}{% if i ~ b == b ~ i %}{% endif %}{% endfor %}",
    "{% set x = b %}" + "{% set x = x + x %}" * 40 + "{{ x|length }}",
    "{% set x = b %}" + "{% set x = x ~ x %}" * 40 + "{{ x|length }}",
    "{% set x = b %}" + "{% set x = x.replace('', x) %}" * 8 + "{{ x|length }}",
    "{% set x = b %}" + "{% set x = x|replace('', x) %}" * 8 + "{{ x|length }}",
    "{% set x = [b] %}" + "{% set x = [x, x] %}" * 50 + "{{ x|string|length }}",
    "{% set x = [b] %}" + "{% set x = [x, x] %}" * 50 + "{{ x|upper|length }}",
    "{% set x = [b] %}{% set y = [b] %}"
    + "{% set x = [x, x] %}{% set y = [y, y] %}" * 50
    + "{{ 1 if x == y else 2 }}",
    "{% set x = [[b]] %}" + "{% set x = [x, x]|sum(start=[]) %}" * 40 + "{{ x|length }}",
    "{% set x = [b] %}" + "{% set x = [x|join, x|join] %}" * 40 + "{{ x|length }}",
    "{% set x %}{{ b }}{% endset %}"
    + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40
    + "{{ x|length }}",
    "{% set x %}{% for i in range(1000) %}{% for j in range(1000) %}{{ b }}{% endfor %}"
    "{% endfor %}{% endset %}{{ x|length }}",
    "{% filter upper %}{% for i in range(1000) %}{% for j in range(1000) %}{{ b }}{% endfor %}"
    "{% endfor %}{% endfilter %}",
    "{{ 1.5|round(999999999, 'ceil') }}",
    "{{ 1.5|round(-999999999, 'floor') }}",
    "{{ 'f' * 10 ** 9 }}",
    "{{ '%999999999d' % 1 }}{{ '{:999999999}'.format(1) }}",
    "{{ b|int(0, 16) * b|int(0, 16) }}",
    "{{ 'x'|replace('', " + "'y'" * 50 + ") }}",
    "{{ '" + "x" * 3000 + "'" + "|replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy')" * 7 + "}}",
    "{{ range(1000)|join(b) }}{{ range(1000)|join(b)|replace('', b) }}",
    "{{ b[::1] }}" * 200,
    "{{ " + "(" * 500 + "a" + ")" * 500 + " }}",
    "{{ a" + " + a" * 3000 + " }}",
    "{{ a" + "|upper" * 3000 + " }}",
    "{{ " + "not " * 3000 + "a }}",
    "{{ " + "[" * 150 + "]" * 150 + " }}",
    "{% if a %}" * 150 + "{% endif %}" * 150,
    "{% for i in b %}" * 30 + "{% endfor %}" * 30,
    "{{ " + "9" * 5000 + " }}",
    "{{ 0x" + "f" * 5000 + " }}",
    "{% raw %}{{ b }}{% endraw %}{% if b %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self.__init__.__globals__ }}{{ loop }}{{ cycler }}",
    "{% autoescape true %}{{ b }}{{ b|e }}{{ '<'|safe }}{% endautoescape %}",
    "{% set ns = namespace(x=1) %}{% set ns.x = 2 %}{{ ns.x }}",
    "{% set range = a %}{{ range(3) }}",
    "{% with x = b * 2 %}{{ x }}{% endwith %}",
    "{{ lipsum(n=10**6) }}{{ dict(a=1) }}{{ cycler('a') }}{{ joiner() }}",
    "{% block x %}{{ self.x() }}{% endblock %}",
    "{% set a, b = [1] %}{{ a }}",
    "{% for k, v in [[1, 2], [3]] %}{{ k }}{% endfor %}",
)


def case(luck: Random, folder: Path) -> str:
    """One template, compiled, and rendered for two rows."""
    source = _source(luck)
    try:
        template = compile_template(source, "t.j2")
    except TemplateError as error:
        one_line(str(error))
        return "refused"
    for _ in range(2):
        try:
            made = template.render(_columns(luck))
        except TemplateError as error:
            one_line(str(error))
            outcome = "row refused"
        else:
            assert len(made) <= MAX_TEXT
            outcome = "text"
    return outcome


def _columns(luck: Random) -> dict[str, str]:
    found = {name: text(luck) for name in NAMES if luck.random() < 0.9}
    if luck.random() < 0.5:
        found["b"] = luck.choice(("x", "é", "1", "f", "ab ", "<&", "\n")) * luck.choice(
            (9, 3000, 90_000)
        )
    return found


def _source(luck: Random) -> str:
    kind = luck.random()
    if kind < 0.25:
        return luck.choice(HUGE)
    made = "".join(_statement(luck, 3) for _ in range(luck.randrange(1, 5)))
    if kind < 0.5:
        return torn(luck, made.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if kind < 0.6:
        return text(luck, 12)
    return made


def _statement(luck: Random, depth: int) -> str:
    if depth == 0 or luck.random() < 0.3:
        return luck.choice((text(luck), f"{{{{ {_expression(luck, 2)} }}}}"))
    inner = "".join(_statement(luck, depth - 1) for _ in range(luck.randrange(3)))
    one, name = _expression(luck, 2), luck.choice(NAMES)
    return luck.choice(
        (
            f"{{% if {one} %}}{inner}{{% elif {name} %}}{inner}{{% else %}}{inner}{{% endif %}}",
            f"{{% for {name} in {one} %}}{inner}{{% endfor %}}",
            f"{{% for {name}, y in {one} if {name} %}}{inner}{{% else %}}{inner}{{% endfor %}}",
            f"{{% set {name} = {one} %}}{inner}",
            f"{{% set {name} %}}{inner}{{% endset %}}{{{{ {name} }}}}",
            f"{{% filter {luck.choice(FILTERS)} %}}{inner}{{% endfilter %}}",
            f"{{% with {name} = {one} %}}{inner}{{% endwith %}}",
            f"{{% raw %}}{inner}{{% endraw %}}",
            f"{{# {inner} #}}",
            f"{{{{ {one} }}}}",
        )
    )


def _expression(luck: Random, depth: int) -> str:
    if depth == 0:
        literals = ("'s'", "''", "3", "-1", "2.5", "true", "none", "[]", "{}", "10**18", "'x'*9")
        return luck.choice((*NAMES, *literals))
    one, two = _expression(luck, depth - 1), _expression(luck, depth - 1)
    return luck.choice(
        (
            f"{one}|{luck.choice(FILTERS)}",
            f"{one}|{luck.choice(FILTERS)}({two})",
            f"{one}.{luck.choice(METHODS)}({luck.choice(('', two))})",
            f"{one}[{two}]",
            f"{one}[{two}:{one}]",
            f"({one} {luck.choice(OPERATORS)} {two})",
            f"({one} if {two} else {one})",
            f"[{one}, {two}]",
            f"{{{one}: {two}}}",
            f"range({one}, {two})",
            f"{one} is {luck.choice(('defined', 'divisibleby 3', 'in ' + two, 'string', 'odd'))}",
            f"(not {one})",
            f"loop.{luck.choice(OF_LOOP)}",
        )
    )
