"""How expressions may be spelt, and how not: literals, words, regular expressions and what is no expression at all.

Left out on purpose, because the lab cannot tell or carry it:

- ``5m`` as a number, ``x[300]``, ``x offset 300``, ``x offset +1m``, ``sum by ("a") (x)``, ``{"x"}``, ``(?<n>x)``: its
  parser also takes what only Prometheus 3 takes;
- regular expressions with ``(?U)``, which it refuses;
- times before 1970 or after the year 9999 behind ``@``, and strings that are no UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping

SPELLING: Mapping[str, tuple[str, ...]] = {
    "literals": (
        "1", "-1.5e3", "0x1F", "+Inf", "-Inf", "NaN", "1 / 0", "0 / 0", "-1 / 0", '"text"', "'it\\'s'", "`raw\\n`",
        r'"escapes \t \" \\ \u00fc \x41 \101"', "1 + 2 * 3 ^ 2 ^ 0.5", "-2 ^ 2", "2 * 3 % 2", "7 % -3", "-7 % 3",
        "7.5 % 2", "5 % 0", "1 == bool 1", "1 > bool 2", "NaN == bool NaN", "(1)", "((1 + (2)))", "1 atan2 -1",
        "-(1 + 1)", "--1", "+-1", "1 # a comment", "time()", "pi()", "2 ^ -1", "1e308 * 10", "10 - 2 - 3", "2 / 4 / 8",
        "time() - 1.7e9", "-time()", "0 == bool -0", "1 <= bool 1", "1 != bool 1", "1 >= bool NaN", "0 ^ 0",
        "(-8) ^ (1 / 3)", "Inf - Inf", "inf", "nan", "1_000",
    ),
    "spelling": (
        "SUM BY (job) (capacity)", "Sum(capacity)", "capacity OFFSET 5m", "left AND right", "left Or right",
        "left UNLESS right", "left == BOOL right", "left * ON (id) right", "left * Ignoring (group) right",
        "left * on (id) GROUP_LEFT right", "capacity @ START()", "RATE(requests_total[5m])", "capacity offset 1d12h",
        "count_over_time(capacity[1h0m30s])", "count_over_time(capacity[90000ms])",
        "count_over_time(capacity[2m30s500ms])", "count_over_time(capacity[1y1w1d])",
        "sum by (on, bool, by, offset) (capacity)", "offset", "by", "bool{}", "sum{}", "group_left", "start", "end{}",
        "inf{}", "iNf", "0b101", "0o17", "017", "1e", "1e+2", ".5", "5.", "1.2.3", "1__0", "0x", "0x1p4", "0xfp-1",
        "1 + 2 == bool 3", "1 + 2 * 3 == bool 7", "left or right and left unless right", "2 ^ 3 ^ 2", "2 ^ -3 ^ 2",
        "-1 ^ 2", "-capacity offset 1m", "- capacity @ 1700000000", "capacity\n  {\n job = 'api' # one\n }\n",
        "# only a comment", "sum(capacity) # end", "sum(\tcapacity\r\n)", "capacity{job='api',}", "capacity{ }",
        "sum by (job)(capacity)", "sum(capacity)by(job)", "sum  without(job)(capacity)", "capacity[ 5m ]",
        "count_over_time(capacity[5m] )", "max_over_time(capacity [5m])", "capacity [5m:1m] offset 1m",
        "max_over_time(capacity[5m : 1m])", "max_over_time(capacity[5m:1m]offset 1m)", "capacity offset-1m",
        "capacity offset - 1m", "capacity @ +1700000000", "capacity @ 1.7e9", "capacity @ 0x6553f100",
        "capacity @ 1700000000.", "(capacity) offset 1m", "(capacity @ 1700000000)", "((capacity))[5m:1m]",
        "1 > bool 0 > bool -1", "capacity > 10 > 20", "capacity * 2 > 100 or capacity", "left*right", "left- right",
        "left -right", "capacity==50", "capacity!=50", "capacity>=bool 50", "1--1", "1-+-1",
        "label_replace(left,'a','b','','',)", "sum(capacity,)", "vector(1,)", "sum by (job,) (capacity)",
        "sum by (,) (capacity)", 'capacity{job="api",job=~"a.*"}', 'capacity{job="api",job="web"}',
        "capacity{job='\\u0061pi'}", "capacity{job='\\141pi'}", "capacity{job='\\x61pi'}", "capacity{job=`api`}",
        "capacity{job='a\\pi'}", "'\\''", '"\\\'"', '"\n"', "`a\nb`", '"\\U0001F600"', '"\\400"', '"\\ud800"', "''",
        "``", '"☃"', "'a' # 'b'", "scalar(capacity{job='api'}) + 1", ":", "a:b", ":a{}", "0a", "a-b", "a.b", "_",
        "__name__", "capacity{__name__=~'c.*'}", "{__name__=''}", "{__name__!=''}", "{__name__=~'capacity|',job='api'}",
        "sum(capacity) by (job) > 10", "sum by (job) (capacity) offset 1m", "topk by (job) (1, capacity)",
        "topk(1, capacity) by (job)", "topk(1) by (job) (capacity)", "quantile by (job) (0.5, capacity)",
    ),
    "regular expressions": (
        'requests_total{code=~"\\d0\\d"}', 'strange{text=~"\\pL.*"}', 'strange{text=~"[\\p{L} ☃]+"}',
        'strange{text=~"(?i)ÜN.*"}', 'strange{newline=~"(?s)a.b"}', 'strange{newline=~"(?s:a.b)"}',
        'strange{dots=~"\\Qa.b.c\\E"}', 'strange{dots=~"\\Qa.\\E.*"}', 'strange{number=~"[[:^alpha:]]+"}',
        'strange{dots=~"[[:word:].]+"}', 'strange{dots=~"[^[:digit:]]+"}', 'strange{number=~"0{,2}7"}',
        'strange{number=~"0{2,}7"}', 'strange{number=~"(0|00)7"}', 'strange{number=~"\\x30+7"}',
        'strange{number=~"\\x{30}+7"}', 'strange{text=~"\\w+ .*"}', 'strange{text=~"ün.\\s."}',
        'strange{newline=~"a\\nb"}', 'strange{newline=~"a\\sb"}', 'strange{newline=~"(?m)a$.^b"}',
        'strange{newline=~"a[^x]b"}', 'strange{number=~"\\A007\\z"}', 'strange{number=~"\\b007\\b"}',
        'strange{number=~"(?P<n>0)07"}', 'strange{number=~"0*?7"}',
        'strange{number=~"^007$"}', 'strange{number=~"0|7"}', 'strange{number=~"007|"}', 'strange{number!~"007|"}',
        'strange{text=~"[{][}]"}', 'strange{text=~"{}"}', 'strange{text=~"\\{\\}"}', 'strange{backslash=~"a\\\\b"}',
        'strange{backslash=~`a\\b`}', 'strange{number=~"(?=0)007"}', 'strange{number=~"(0)\\1 7"}',
        'strange{number=~"0++7"}', 'strange{number=~"[z-a]"}', 'strange{number=~"\\Z"}', 'strange{number=~"(?#x)007"}',
        'strange{number=~"0{1001}"}', 'strange{number=~"\\h"}', 'strange{number=~"(?x)0 0 7"}',
        'strange{number=~"x{2}{3}"}', 'strange{number=~"[\\d]+"}', 'strange{number=~"[0-9&&[^1]]+"}',
        'strange{number=~"[a||0-9]+"}', 'label_replace(strange, "l", "$1", "text", "(\\pL+).*")',
        'label_replace(strange, "l", "$1", "dots", "(?:a)\\.(.)\\..")',
        'label_replace(strange, "l", "$1", "newline", "(?s)(.*)")', 'label_replace(left, "l", "$_", "id", "(?P<_>.)")',
        'label_replace(left, "l", "$1_", "id", "(.)")', 'label_replace(left, "l", "$01", "id", "(.)")',
        'label_replace(left, "l", "${1", "id", "(.)")', 'label_replace(left, "l", "${1}}", "id", "(.)")',
        'label_replace(left, "l", "${}", "id", "(.)")', 'label_replace(left, "l", "$-", "id", "(.)")',
        'label_replace(left, "l", "$é1", "id", "(.)")', 'label_replace(left, "l", "$$$1", "id", "(.)")',
        'label_replace(left, "l", "$1$$", "id", "(.)")',
    ),
    "errors of grammar and near misses": (
        "", " ", "1 +", "capacity{", "capacity[5m", "capacity[5m]]", "sum(", "sum()", "sum(1)", "rate(capacity)",
        "abs(capacity[5m])", "capacity[5m] + 1", "unknown_function(capacity)", "capacity offset", "capacity @",
        '"a" + 1', '"a" == "b"', "abs(1)", "vector(capacity)", "scalar(1)", "1 and 2", "capacity and 1", "1 == 1",
        "1 > 2", "capacity bool 1", "capacity + bool 1", "capacity > bool", 'capacity{job=api}', "capacity{job}", '{}',
        '{job=""}', '{job=~".*"}', '{job!="x"}', '{__name__="a",__name__="b"}', 'capacity{__name__="x"}',
        "capacity{job=~\"(\"}", "capacity{job=~\"*\"}", "topk(capacity)", "topk(1)", 'topk("1", capacity)',
        "quantile(level)", "quantile(level, 0.5)", 'count_values(level, "x")', "count_values(1, level)",
        "sum(capacity, capacity)", "rate(capacity[5m], 1)", "round(capacity, 1, 2)", "round()", "clamp(capacity, 1)",
        "time(1)", "label_replace(left)", 'label_replace(left, a, b, c, d)', 'label_replace(left, "a", 1, "c", "d")',
        "capacity[5m] offset 1h[5m:1m]", "capacity[5m][5m:1m]", "capacity[-5m]", "capacity[5m:1m] + 1", "1[5m]",
        "1[5m:1m]", "(capacity)[5m]", "left * on (id) group_left group_right right", "left + group_left right",
        "left and on (id) group_left right", "left group_left * right", "left * on id right", "sum by job (capacity)",
        "sum by (job) without (x) (capacity)", "capacity offset 1h offset 1h", "capacity @ 1 @ 2", "1 @ 5",
        "1 offset 5m", "sum(capacity) offset 5m", "rate(capacity[5m]) @ 100", "absent()", "absent(1)",
        "capacity{job='a' job='b'}", "capacity{,}", "capacity{job='a',,}", "1 % % 2", "capacity[1h5]", "capacity[5m1h]",
        "capacity[1.5h]", "'unclosed", '"bad \\q escape"', "capacity !", "!capacity", "capacity = 1", "capacity ~ 1",
        "sum capacity", "capacity capacity", "bool", "on (job) capacity", "NaN{}", "sum", "vector(1)[5m]",
        "histogram_quantile(latency_seconds_bucket)", "rate(requests_total)", "increase(sum(requests_total))",
        "max_over_time(capacity)", "day_of_week(1)", "left * on (id) group_left (id) right",
        "predict_linear(disk_free[10m])", "holt_winters(level[5m])", "count_over_time(capacity[5m:0s])",
        "count_over_time(capacity[0s:1m])", "capacity[5m:]", "capacity[5m:1m]", "capacity and bool capacity",
        "left * ignoring id right", "1 ^ capacity[5m]", "é", "capacity{é='x'}", "sort(capacity, 1)",
        "scalar(capacity, 1)", "-\"a\"", "-capacity[5m]", "start()", "end()", "capacity @ start", "capacity @ end(1)",
        "capacity @ NaN", "capacity @ Inf",
    ),
}
