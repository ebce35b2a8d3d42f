"""Parse a view's SQL so that what was written stays apart.

sqlglot's DuckDB dialect maps many functions to one node (`list_sum` and `array_sum`, `epoch_ms` and `to_timestamp`,
`json_extract` and `->`), shifts list indexes and rewrites JSON paths: helpful to translate, fatal to tell versions
apart. `Faithful` keeps every function under the name it was written with, and indexes and paths as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.parsers.duckdb import DuckDBParser

from featurestore.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AGGREGATES", "EXPANDING", "TABLE_FUNCTIONS", "UNSTABLE", "parse", "place"]

# The functions whose arguments are not a list of expressions; all others are kept as written.
_SPECIAL_SYNTAX = frozenset({"CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM", "TRY_CAST"})


def _arrow(kind: type[exp.Expr]) -> Callable[..., exp.Expr]:
    def build(parser: FaithfulParser, this: exp.Expr, path: exp.Expr) -> exp.Expr:
        return parser.expression(kind(this=this, expression=path))

    return build


class UnaryPlus(exp.Unary):
    """`+x`: the value is x, but DuckDB names and groups it differently, and sqlglot drops it."""


class FaithfulParser(DuckDBParser):
    """The parser of `Faithful`."""

    UNARY_PARSERS: ClassVar[dict[TokenType, Any]] = {
        **DuckDBParser.UNARY_PARSERS,
        TokenType.PLUS: lambda self: self.expression(UnaryPlus(this=self._parse_unary())),
    }

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parser for name, parser in DuckDBParser.FUNCTION_PARSERS.items() if name in _SPECIAL_SYNTAX
    }
    # DuckDB 2 reads `x -> ...` as JSON access only; a lambda is written `lambda x: ...`.
    LAMBDAS: ClassVar[dict[Any, Any]] = {
        token: build for token, build in DuckDBParser.LAMBDAS.items() if token != TokenType.ARROW
    }
    JSON_OPERATORS: ClassVar[dict[TokenType, Any]] = {
        TokenType.ARROW: _arrow(exp.JSONExtract),
        TokenType.DARROW: _arrow(exp.JSONExtractScalar),
    }

    def _parse_paren(self) -> exp.Expr | None:
        """Mark the parentheses that were written: sqlglot adds its own where it thinks a generator needs them."""
        parsed = super()._parse_paren()
        if isinstance(parsed, exp.Paren):
            parsed.meta["written"] = "("
        return parsed

    def _parse_interval(
        self,
        require_interval: bool = True,  # noqa: FBT001, FBT002 - as in sqlglot
        parse_function_unit: bool = True,  # noqa: FBT001, FBT002
    ) -> exp.Add | exp.Interval | None:
        """Keep how an interval was written: sqlglot equates `interval 1.5 day` with `interval '1.5' day`."""
        start = self._index
        interval = super()._parse_interval(require_interval, parse_function_unit)
        if interval is not None and not any(interval.find_all(exp.Column)):
            tokens = self._tokens[start : self._index]
            interval.meta["written"] = " ".join(f"{token.token_type.name}:{token.text.lower()}" for token in tokens)
        return interval


class Faithful(DuckDB):
    """DuckDB as written: no function is renamed, no index shifted, no path rewritten."""

    INDEX_OFFSET = 0
    Parser = FaithfulParser


# What may stand in FROM with arguments: none of these reads anything but its arguments.
TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})

# Functions in the select list that turn one row into many.
EXPANDING = frozenset({"generate_subscripts", "json_each", "json_tree", "regexp_split_to_table", "unnest"})

# `duckdb_functions()`: type 'aggregate'. tests/lineage holds it against the installed DuckDB.
AGGREGATES = frozenset(
    """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
    arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and
    bool_or combine_aggr corr count count_if count_star countif covar_pop covar_samp decimal_average entropy favg first
    fsum geometric_mean geomean group_concat grouping grouping_id histogram histogram_exact json_group_array
    json_group_object json_group_structure kahan_sum kurtosis kurtosis_pop last list listagg lttb mad max max_by mean
    median min min_by mode percentile_cont percentile_disc product quantile quantile_cont quantile_disc regr_avgx
    regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness
    stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance
    variant_group_object wavg weighted_avg
    """.split()  # noqa: SIM905 - read as a table
)

# Functions whose answer depends on the moment, the session, the machine or chance. `duckdb_functions()`: stability
# other than CONSISTENT, the macros over those, and what reads files or settings. Held by tests/lineage.
UNSTABLE = frozenset(
    """
    ago current_catalog current_connection_id current_database current_date current_localtime current_localtimestamp
    current_query current_query_id current_role current_schema current_schemas current_setting current_time
    current_timestamp current_transaction_id current_user currval error gen_random_uuid get_current_time
    get_current_timestamp getenv getvariable glob in_search_path localtime localtimestamp nextval now
    pg_conf_load_time pg_postmaster_start_time query query_table random read_blob read_csv read_json read_parquet
    read_text reservoir_quantile session_user setseed setval shobj_description sleep_ms stats today
    transaction_timestamp txid_current user uuid uuidv4 uuidv7 vector_type version write_log
    """.split()  # noqa: SIM905 - read as a table
)


def place(sql: str, node: exp.Expr | None, word: str = "") -> str:
    """Return " (line 2, column 8)" for `node` in `sql`, or nothing when the parser kept no position.

    Some nodes have none; then the first occurrence of `word` is taken.
    """
    start = None
    if node is not None:
        start = next((n.meta.get("start") for n in node.walk() if n.meta.get("start") is not None), None)
    if start is None and word and word in sql.lower():
        start = sql.lower().index(word)
    if start is None:
        return ""
    line = sql.count("\n", 0, start) + 1
    return f" (line {line}, column {start - sql.rfind(chr(10), 0, start)})"


def parse(sql: str) -> exp.Query:
    """Parse one SELECT.

    Raises
    ------
    DefinitionError
        If the text does not parse, holds more or less than one statement, or is not a query.
    """
    try:
        statements = [statement for statement in Faithful().parse(sql) if statement is not None]
    except ParseError as error:
        raise DefinitionError(_parse_message(error)) from error
    except (TokenError, SqlglotError) as error:
        raise DefinitionError(f"The SQL does not parse: {error}. Look for an unclosed quote or comment.") from error
    except RecursionError as error:
        raise DefinitionError("The SQL is nested too deeply to be read: split it into CTEs.") from error
    except (AttributeError, IndexError, TypeError) as error:  # sqlglot stumbles over some malformed texts
        raise DefinitionError("The SQL does not parse: check brackets, commas and `name := value` pairs.") from error
    statements = [statement for statement in statements if not isinstance(statement, exp.Semicolon)]
    if not statements:
        raise DefinitionError("The SQL is empty: a view needs one SELECT statement.")
    if len(statements) > 1:
        raise DefinitionError(
            f"The SQL holds {len(statements)} statements; a view is one SELECT. "
            "Remove the others, or join them with CTEs (`with a as (...) select ...`)."
        )
    query = statements[0]
    if isinstance(query, exp.Pivot):
        raise DefinitionError(_pivot_message(sql, query))
    if not isinstance(query, (exp.Select, exp.SetOperation, exp.Subquery)):
        name = query.key.upper() if not isinstance(query, exp.Command) else str(query.this).upper()
        raise DefinitionError(f"A view's SQL must be a SELECT, not {name}.")
    return query


def _pivot_message(sql: str, node: exp.Expr) -> str:
    return (
        f"PIVOT and UNPIVOT{place(sql, node)} are not supported in a view: their columns depend on data. "
        "Write `sum(x) filter (where k = 'a') as a` for each column, or a UNION ALL BY NAME to unpivot."
    )


def _parse_message(error: ParseError) -> str:
    if not error.errors:
        return f"The SQL does not parse: {error}"
    first = error.errors[0]
    near = str(first.get("highlight") or "").strip()
    where = f" at line {first.get('line')}, column {first.get('col')}" if first.get("line") else ""
    at = f" near {near!r}" if near else ""
    what = str(first.get("description")).split(" but got <")[0]
    hint = " Write factorial(x) for `x!`." if near == "!" else ""
    return f"The SQL does not parse{where}{at}: {what}.{hint}"
