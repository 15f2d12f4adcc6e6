"""HiveQL into DuckDB's SQL: what differs is mended, what would mean something else in silence is refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.hive import Hive
from sqlglot.errors import SqlglotError
from sqlglot.parsers.hive import HiveParser

from datavore_widgets.errors import InvalidSql, NotSupported, did_you_mean, nearest_names
from datavore_widgets.service.tables.macros import CASTS, HELPERS, MACROS, REFUSED, REFUSED_MARK, SAME

__all__ = ["Statement", "macro_definitions", "translate"]

# sqlglot tells what it cannot translate by a warning; here that is an error of ours.
logging.getLogger("sqlglot").addHandler(logging.NullHandler())
logging.getLogger("sqlglot").propagate = False

_PREFIX = "hive_"
_CAST_PREFIX = "hive_cast_"


def _but_macros(functions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: function for name, function in functions.items() if name.lower() not in MACROS}


class _HiveParser(HiveParser):
    FUNCTIONS = _but_macros(HiveParser.FUNCTIONS)
    FUNCTION_PARSERS = _but_macros(HiveParser.FUNCTION_PARSERS)


class _MendedHive(Hive):
    """Hive, with the functions that are macros left as they were written."""

    Parser = _HiveParser


def macro_definitions() -> Iterator[str]:
    """The statements that make the macros."""
    for name, (parameters, body) in HELPERS.items():
        yield f"CREATE MACRO {name}({parameters}) AS {body}"
    for name, body in CASTS.items():
        yield f"CREATE MACRO {_CAST_PREFIX}{name}(x) AS {body}"
    for name, forms in MACROS.items():
        yield f"CREATE MACRO {_PREFIX}{name} " + ", ".join(f"({parameters}) AS {body}" for parameters, body in forms)


@dataclass(frozen=True)
class Statement:
    """What is to be run.

    Parameters
    ----------
    kind : str
        `query`, `explain`, `write`; or one that the catalogue answers: `tables`, `databases`, `columns`, `partitions`,
        `use`.
    sql : str
        In DuckDB's words; empty where the catalogue answers.
    reads : frozenset of str
        Tables that it reads, in lower case.
    about : str
        For the catalogue's answers: the table or the pattern.
    makes, drops : str
        The table that it makes, or drops.
    """

    kind: str
    sql: str = ""
    reads: frozenset[str] = frozenset()
    about: str = ""
    makes: str = ""
    drops: str = ""


_NAME = r"(?:`?default`?\.)?`?(\w+)`?"
_ASKED_OF_CATALOG = (
    ("databases", re.compile(r"SHOW\s+(?:DATABASES|SCHEMAS)()", re.I)),
    ("tables", re.compile(r"SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+`?default`?)?(?:\s+(?:LIKE\s+)?'([^']*)')?", re.I)),
    ("columns", re.compile(rf"(?:DESCRIBE|DESC)\s+(?:TABLE\s+)?{_NAME}", re.I)),
    ("names", re.compile(rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+{_NAME}", re.I)),
    ("partitions", re.compile(rf"SHOW\s+PARTITIONS\s+{_NAME}", re.I)),
    ("use", re.compile(r"USE\s+`?(default)`?", re.I)),
)
_WITHOUT_MEANING = {
    "SET": "settings of a cluster have no effect on files; leave it out",
    "RESET": "settings of a cluster have no effect on files; leave it out",
    "ADD": "there are no jars and files to add",
    "MSCK": "partitions are found whenever a table is read; leave it out",
    "ANALYZE": "there are no statistics to be kept; leave it out",
    "USE": "there is one database, default",
    "LOAD": "put the file into the table's folder",
    "EXPORT": "read the rows and write them from Python",
    "IMPORT": "put the files into a folder of the catalogue",
    "GRANT": "there are no users",
    "REVOKE": "there are no users",
    "LOCK": "there are no locks",
    "UNLOCK": "there are no locks",
    "ALTER": "make the table anew with CREATE TABLE … AS SELECT",
    "UPDATE": "make the table anew with CREATE TABLE … AS SELECT",
    "DELETE": "make the table anew with CREATE TABLE … AS SELECT",
    "MERGE": "make the table anew with CREATE TABLE … AS SELECT",
    "TRUNCATE": "write DROP TABLE and make it anew",
}


def refuse(what: str, advice: str) -> NotSupported:
    """The error that says what is left out over files, and the way to write it."""
    return NotSupported(f"{REFUSED_MARK}{what}: {advice}")


def translate(text: str, tables: Mapping[str, Any], *, writable: bool) -> Statement:
    """One statement of HiveQL for DuckDB.

    Parameters
    ----------
    tables : mapping
        Tables that there are, by name in lower case; those made by statements have the value None.
    writable : bool
        Whether tables may be made and dropped.

    Raises
    ------
    InvalidSql
        When it is not HiveQL, or more than one statement, or names a table that is not there.
    NotSupported
        When it would mean something else here, or is not allowed.
    """
    text = text.strip().rstrip(";").strip()
    for kind, pattern in _ASKED_OF_CATALOG:
        match = pattern.fullmatch(text)
        if match:
            return Statement(kind, about=match[1] or "")
    explain = re.match(r"EXPLAIN(?:\s+(?:EXTENDED|FORMATTED|CBO|AST))?\s+(?=\S)", text, re.I)
    if explain:
        inner = translate(text[explain.end() :], tables, writable=False)
        return Statement("explain", f"EXPLAIN {inner.sql}", inner.reads)
    verb = re.match(r"[A-Za-z]*", text)
    first = verb.group().upper() if verb else ""
    if first in _WITHOUT_MEANING:
        raise refuse(first, _WITHOUT_MEANING[first])
    tree = _parse(text)
    if isinstance(tree, exp.Query):
        kind = "query"
    elif isinstance(tree, exp.Create | exp.Insert | exp.Drop):
        kind = "write"
        if not writable:
            raise refuse(first, "files are read-only here; open them with TableService(…, writable=True)")
    else:
        raise refuse(first or "this statement", "SELECT, EXPLAIN, SHOW and DESCRIBE are understood")
    makes, drops = _check_write(tree)
    for name in filter(None, (makes, drops)):
        if tables.get(name) is not None:
            raise refuse(f"{first} {name}", "it is a table of files, which are never written; choose another name")
    reads = _check_tables(tree, tables, {makes, drops})
    _check_structure(tree)
    tree = _mend(tree)
    return Statement(kind, _generate(tree), reads, makes=makes, drops=drops)


def _parse(text: str) -> exp.Expr:
    try:
        tokens = Hive().tokenize(text)
        _check_functions(tokens)
        trees = [tree for tree in _MendedHive().parse(text) if tree is not None]
    except SqlglotError as error:
        raise _invalid(error) from error
    if len(trees) != 1:
        raise InvalidSql(f"one statement at a time, not {len(trees)}")
    return trees[0]


def _invalid(error: SqlglotError) -> InvalidSql:
    details = getattr(error, "errors", None) or [{}]
    place = details[0]
    message = place.get("description") or str(error).splitlines()[0]
    near = place.get("highlight")
    line, column = place.get("line"), place.get("col")
    if near and column:
        column = max(1, column - len(near) + 1)
        message += f" near {near!r} (line {line}, column {column})"
    return InvalidSql(f"the query is not understood: {message}", line=line, column=column)


_BEFORE_BRACKET = frozenset(
    """
    all and any array_agg as between by case cast cross cube distinct else except exists filter from group grouping
    having in inner insert intersect into is join left like limit map not on or order outer over partition right rlike
    rollup select semi set sets table tablesample then timestamp date union using values view when where with within
    anti full decimal varchar char numeric interval
    """.split()  # noqa: SIM905
)


def _check_functions(tokens: list[Token]) -> None:
    """Every function by the name that was written; a name that nobody looked at is refused."""
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if after is None or after.token_type is not TokenType.L_PAREN or token.token_type is TokenType.STRING:
            continue
        name = token.text.lower()
        if name in ("varchar", "char") and before is not None and before.token_type is TokenType.ALIAS:
            raise refuse(f"a cast to {name}(n)", "write substr(cast(x AS string), 1, n)")
        if not re.fullmatch(r"[^\W\d]\w*", name) or name in _BEFORE_BRACKET:
            continue
        if name in SAME or name in MACROS:
            continue
        if before is not None and before.token_type is TokenType.ALIAS:
            continue  # the names of columns behind a table's
        if name in REFUSED:
            raise refuse(f"the function {name}", REFUSED[name])
        near = nearest_names(name, [*SAME, *MACROS])
        hint = f"did you mean {' or '.join(near[:3])}?" if near else "compute it in pandas from the columns"
        raise NotSupported(f"{REFUSED_MARK}the function {name}: it is not among those known to mean the same; {hint}")


def _check_write(tree: exp.Expr) -> tuple[str, str]:
    """The table that a statement makes and the one that it drops, if they are of a kind that means the same here."""
    if isinstance(tree, exp.Create):
        if tree.kind not in ("TABLE", "VIEW"):
            raise refuse(f"CREATE {tree.kind}", "tables and views can be made")
        properties = tree.args.get("properties")
        for item in properties.expressions if properties else ():
            if not isinstance(item, exp.FileFormatProperty | exp.TemporaryProperty):
                raise refuse(
                    type(item).__name__.replace("Property", "").upper() or "a property",
                    "a table made here lives in memory: write CREATE TABLE … AS SELECT",
                )
        tree.set("properties", None)
        target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        return target.name.lower(), ""
    if isinstance(tree, exp.Insert):
        if tree.args.get("overwrite") or tree.args.get("partition"):
            raise refuse("INSERT OVERWRITE and PARTITION", "write DROP TABLE, then CREATE TABLE … AS SELECT")
        return "", ""
    if isinstance(tree, exp.Drop):
        if tree.kind not in ("TABLE", "VIEW"):
            raise refuse(f"DROP {tree.kind}", "tables and views can be dropped")
        dropped = list(tree.find_all(exp.Table))
        if len(dropped) != 1:
            raise refuse("DROP of several tables", "drop them one by one")
        return "", dropped[0].name.lower()
    return "", ""


def _check_tables(tree: exp.Expr, tables: Mapping[str, Any], new: set[str]) -> frozenset[str]:
    """Every table is one of the catalogue's; nothing else that DuckDB would read has a name here."""
    reads: set[str] = set()
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise refuse("a function in the place of a table", "the catalogue's tables are read by their names")
        name = table.name.lower()
        if table.catalog or table.db.lower() not in ("", "default"):
            raise InvalidSql(f"there is one database, default, not {table.db or table.catalog!r}")
        if not table.db and _is_named_around(table, name):
            if name in tables:  # its own query may read the table of that name
                reads.add(name)
            continue
        if name in new:
            pass
        elif name in tables:
            reads.add(name)
        else:
            message, near = did_you_mean("table", table.name, tables)
            raise InvalidSql(message, suggestions=near, **_place(table))
        table.set("db", None)
    return frozenset(reads)


def _is_named_around(table: exp.Table, name: str) -> bool:
    """Whether a WITH around the table names it; one beside it does not."""
    node: exp.Expr | None = table
    while node is not None:
        written = node.args.get("with_") or node.args.get("with")
        if written is not None and any(cte.alias.lower() == name for cte in written.expressions):
            return True
        node = node.parent
    return False


def _place(node: exp.Expr) -> dict[str, int]:
    meta = node.this.meta if isinstance(node.this, exp.Identifier) else {}
    return {"line": meta["line"], "column": meta["col"] - len(node.name) + 1} if "line" in meta else {}


_STRUCTURES: tuple[tuple[type[exp.Expr], str, str], ...] = (
    (exp.Sort, "SORT BY", "it orders only within a reducer; write ORDER BY"),
    (exp.Cluster, "CLUSTER BY", "it orders only within a reducer; write ORDER BY"),
    (exp.Distribute, "DISTRIBUTE BY", "there are no reducers; leave it out"),
    (exp.TableSample, "TABLESAMPLE", "no two engines draw the same rows; write WHERE pmod(column, n) = 0"),
    (exp.QueryTransform, "TRANSFORM", "it runs a program on the server's machines; compute it in Python"),
    (exp.GroupingSets, "GROUPING SETS", "write one SELECT a set, and UNION ALL"),
    (exp.Command, "this statement", "SELECT, EXPLAIN, SHOW and DESCRIBE are understood"),
    (exp.Copy, "COPY", "read the rows and write them from Python"),
)


def _check_structure(tree: exp.Expr) -> None:
    for kind, what, advice in _STRUCTURES:
        if tree.find(kind) is not None:
            raise refuse(what, advice)
    for lateral in tree.find_all(exp.Lateral):
        if lateral.args.get("outer"):
            raise refuse(
                "LATERAL VIEW OUTER", "write UNION ALL of LATERAL VIEW and of the rows with WHERE size(column) <= 0"
            )
    for extreme in tree.find_all(exp.Max, exp.Min):
        if isinstance(extreme.this, exp.Struct):
            raise refuse(
                "max or min of a struct", "structs are ordered differently; use row_number() OVER (ORDER BY …)"
            )
    for like in tree.find_all(exp.Like):
        if isinstance(like.parent, exp.Escape):
            raise refuse("LIKE … ESCAPE", "Hive has none: a backslash escapes")


def _mend(tree: exp.Expr) -> exp.Expr:
    if isinstance(tree, exp.Query):
        _name_columns(tree)
    for node in reversed(list(tree.walk())):  # from the leaves up: what is inside of a mended node is mended already
        mended = _mend_node(node)
        if mended is not node:
            node.replace(mended)
    return tree


def _name_columns(tree: exp.Query) -> None:
    """Expressions without a name are `_c0`, `_c1` … by their place, as Hive names them."""
    first = tree
    while isinstance(first, exp.SetOperation):
        first = first.left
    if isinstance(first, exp.Select):
        for place, item in enumerate(first.expressions):
            if not isinstance(item, exp.Alias | exp.Aliases | exp.Column | exp.Star | exp.Explode | exp.Posexplode):
                item.replace(exp.alias_(item.copy(), f"_c{place}"))


def _mend_node(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name.lower() in MACROS:
        return exp.Anonymous(this=_PREFIX + node.name.lower(), expressions=[item.copy() for item in node.expressions])
    if isinstance(node, exp.Cast):  # and TryCast: Hive's casts give NULL
        return _mend_cast(node)
    if isinstance(node, exp.Like):
        return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
    if isinstance(node, exp.Group) and (node.args.get("rollup") or node.args.get("cube")):
        return _mend_rollup(node)
    if isinstance(node, exp.Bracket) and len(node.expressions) == 1 and not node.expressions[0].is_string:
        place = exp.Add(this=exp.paren(node.expressions[0].copy()), expression=exp.Literal.number(1))
        return exp.Anonymous(this="hive_item", expressions=[node.this.copy(), place])
    return node


def _mend_cast(node: exp.Cast) -> exp.Expr:
    wanted = node.to
    word = wanted.this.value.lower() if isinstance(wanted.this, exp.DataType.Type) else ""
    if word in CASTS and not wanted.expressions:
        return exp.Anonymous(this=_CAST_PREFIX + word, expressions=[node.this.copy()])
    if word == "decimal":
        return node
    raise refuse(
        f"a cast to {wanted.sql('hive').lower()}",
        "cast to a whole number, double, decimal(p, s), string, boolean, date or timestamp",
    )


def _mend_rollup(node: exp.Group) -> exp.Expr:
    """Hive writes the columns once, before WITH ROLLUP; DuckDB inside ROLLUP (…)."""
    kind = exp.Rollup if node.args.get("rollup") else exp.Cube
    written = [*(node.args.get("rollup") or ()), *(node.args.get("cube") or ())]
    inside = [column for item in written for column in item.expressions]
    columns = inside or node.expressions
    return exp.Group(**{kind.key: [kind(expressions=[column.copy() for column in columns])]})


def _generate(tree: exp.Expr) -> str:
    try:
        return DuckDB().generate(tree, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise refuse("a part of this statement", str(error).splitlines()[0]) from error
