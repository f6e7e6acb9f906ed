"""What CloudWatch makes of an alarm and of series: the part of metric math that our alarms use, and
how an alarm's state follows from its newest datapoints.

Series are lists of numbers, a period each, None where a metric has no datapoint. Left out: that
CloudWatch looks at a few datapoints older than the alarm's own where some are missing, which can only
bring an `ignore` or `missing` alarm to its state a little earlier.
"""

import ast
import operator

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
COMPARISONS = {ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq}
BREACHES = {"GreaterThanThreshold": operator.gt, "LessThanThreshold": operator.lt, "GreaterThanOrEqualToThreshold": operator.ge}


def expression(text: str, series: dict, expressions: dict, length: int) -> list:
    """The series that an expression makes of `series` (the metrics, by id)."""

    def pointwise(function, *operands):
        def at(*values):
            # A missing operand makes a missing result, and so does a division by zero.
            try:
                return None if None in values else float(function(*values))
            except ZeroDivisionError:
                return None

        return [at(*values) for values in zip(*operands)]

    def choose(condition, then, otherwise):
        return None if condition is None else then if condition else otherwise

    def of(node):
        match node:
            case ast.Constant(value=value):
                return [float(value)] * length
            case ast.Name(id="METRICS"):
                raise ValueError("METRICS is a function")
            case ast.Name(id=name):
                return series[name] if name in series else expression(expressions[name], series, expressions, length)
            case ast.BinOp(left=left, op=op, right=right):
                return pointwise(OPERATORS[type(op)], of(left), of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return pointwise(COMPARISONS[type(op)], of(left), of(right))
            case ast.BoolOp(op=op, values=values):
                return pointwise(lambda *all_: (all if isinstance(op, ast.And) else any)(all_), *map(of, values))
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
                return [choose(*values) for values in zip(of(condition), of(then), of(otherwise))]
            case ast.Call(func=ast.Name(id="FILL"), args=[what, ast.Name(id="REPEAT")]):
                values, last = [], None
                for value in of(what):
                    last = last if value is None else value
                    values.append(last)
                return values
            case ast.Call(func=ast.Name(id="FILL"), args=[what, ast.Constant(value=filling)]):
                return [filling if value is None else value for value in of(what)]
            case ast.Call(func=ast.Name(id="SUM"), args=[ast.Call(func=ast.Name(id="METRICS"), args=[])]):
                present = [[value for value in values if value is not None] for values in zip(*series.values())]
                return [sum(values) if values else None for values in present]
        raise ValueError(f"{ast.dump(node)} in {text!r}: our alarms did not use that so far")

    return of(ast.parse(text.replace(" AND ", " and ").replace(" OR ", " or "), mode="eval").body)


def judged(alarm: dict, series: dict) -> list:
    """The series that the alarm judges. `series` is by metric id, or has the one key `metric`."""
    queries = alarm.get("metric_query") or []
    if not queries:
        (values,) = series.values()
        return values
    metrics = {query["id"] for query in queries if query.get("metric")}
    if metrics != set(series):
        raise ValueError(f"{alarm['alarm_name']} reads {sorted(metrics)}, the case has {sorted(series)}")
    expressions = {query["id"]: query["expression"] for query in queries if query.get("expression")}
    (returned,) = [query for query in queries if query.get("return_data")]
    return expression(returned["expression"], series, expressions, len(next(iter(series.values()))))


def states(alarm: dict, series: dict) -> list:
    """The alarm's state after each period: OK, ALARM or INSUFFICIENT_DATA."""
    values = judged(alarm, series)
    wanted = alarm["evaluation_periods"]
    enough = alarm.get("datapoints_to_alarm") or wanted
    breaches = BREACHES[alarm["comparison_operator"]]
    state, result = "INSUFFICIENT_DATA", []
    for end in range(1, len(values) + 1):
        window = [None] * max(0, wanted - end) + values[max(0, end - wanted) : end]
        missing = window.count(None)
        bad = sum(value is not None and breaches(value, alarm["threshold"]) for value in window)
        match alarm["treat_missing_data"]:
            case "breaching":
                state = "ALARM" if bad + missing >= enough else "OK"
            case "notBreaching":
                state = "ALARM" if bad >= enough else "OK"
            case "ignore" if bad >= enough:
                state = "ALARM"
            case "ignore" if missing == 0 or (missing < wanted and bad == 0):
                # What is there is well. Where nothing is there, the state stays.
                state = "OK"
        result.append(state)
    return result
