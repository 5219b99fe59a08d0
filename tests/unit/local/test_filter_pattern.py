"""The filter language, row by row: where AWS documents a case, where somebody saw it, and where we decided.

AWS means https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html.
"""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.local.logs.filter_pattern import PatternError, compile_pattern, matches

# The event that most of AWS's JSON examples are about, with what its numeric examples need.
EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "cluster.name": "c",
        "ThisFlag": True,
        "OtherFlag": False,
        "bandwidth": 80,
        "latency": 40.5,
        "refreshRate": 60,
        "responseTime": 5,
        "errorCode": 400,
        "number": [1000, 2, 0.001],
        "small": -1e-3,
    }
)
# The event of AWS's compound expressions.
USERS = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    }
)
STILES = '$.user.email = "John.Stiles@example.com"'
BAD_REQUEST = "[ERROR 400] BAD REQUEST"
UNAUTHORIZED = "[ERROR 401] UNAUTHORIZED REQUEST"
MISSING_ARGUMENTS = "[ERROR 419] MISSING ARGUMENTS"
APACHE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
PART = "INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310"
FAILED = "ERROR 09/25/2014 12:00:02 Failed to process request"

# What AWS's page says, and its negation beside it.
DOCUMENTED = [
    # Strings
    ('{ $.eventType = "UpdateTrail" }', EVENT, True),
    ('{ $.eventType = "CreateTrail" }', EVENT, False),
    ('{ $.eventType = "updatetrail" }', EVENT, False),
    ("{ $.eventType = UpdateTrail }", EVENT, True),
    ('{ $.eventType = "Update*" }', EVENT, True),
    ('{ $.eventType = "*Trail" }', EVENT, True),
    ('{ $.eventType = "*date*" }', EVENT, True),
    ('{ $.eventType = "Trail*" }', EVENT, False),
    ('{ $.eventType != "UpdateTrail" }', EVENT, False),
    ('{ $.eventType != "CreateTrail" }', EVENT, True),
    ("{ $.sourceIPAddress != 123.123.* }", EVENT, True),
    ("{ $.sourceIPAddress = 111.111.* }", EVENT, True),
    ("{ $.sourceIPAddress != 111.111.* }", EVENT, False),
    ('{ $.eventType = "*" && $.sourceIPAddress != 123.123.* }', EVENT, True),
    ('{ $.arrayKey[0] = "value" }', EVENT, True),
    ('{ $.arrayKey[1] = "value" }', EVENT, False),
    ('{ $.eventType[0] = "U" }', EVENT, False),
    ("{ $.objectList[1].id = 2 }", EVENT, True),
    ("{ $.objectList[2].id = 2 }", EVENT, False),
    ("{ $.['cluster.name'] = \"c\" }", EVENT, True),
    ('{ $.cluster.name = "c" }', EVENT, False),
    # "If a property selector points to an array or object, the filter pattern won't match"
    ("{ $.arrayKey = 1 }", EVENT, False),
    ("{ $.arrayKey != 1 }", EVENT, False),
    ('{ $.arrayKey = "*" }', EVENT, False),
    ('{ $.user != "x" }', USERS, False),
    # Regular expressions and selectors with a wildcard
    ("{ $.eventType = %Trail% }", EVENT, True),
    ("{ $.eventType = %^Trail% }", EVENT, False),
    ("{ $.eventType != %^Trail% }", EVENT, True),
    ("{ $.arrayKey[*] = %val.{2}% }", EVENT, True),
    ("{ $.arrayKey[*] = %val.{3}% }", EVENT, False),
    (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", EVENT, True),
    (r"{ $.* = %222\.111\.111\.1[0-9]{1,2}% }", EVENT, False),
    # Numbers
    ("{ $.bandwidth > 75 }", EVENT, True),
    ("{ $.bandwidth > 80 }", EVENT, False),
    ("{ $.latency < 50 }", EVENT, True),
    ("{ $.latency < 40.5 }", EVENT, False),
    ("{ $.refreshRate >= 60 }", EVENT, True),
    ("{ $.refreshRate >= 61 }", EVENT, False),
    ("{ $.bandwidth >= 81 }", EVENT, False),
    ("{ $.responseTime <= 5 }", EVENT, True),
    ("{ $.responseTime <= 4.9 }", EVENT, False),
    ("{ $.errorCode = 400}", EVENT, True),
    ("{ $.errorCode = 400 }", EVENT, True),
    ("{ $.errorCode != 500 }", EVENT, True),
    ("{ $.errorCode != 400 }", EVENT, False),
    ("{ $.errorCode = 4* }", EVENT, True),
    ("{ $.errorCode = 5* }", EVENT, False),
    ("{ $.latency = * }", EVENT, True),
    ("{ $.number[0] = 1e+3 }", EVENT, True),
    ("{ $.number[0] != 1e-3 }", EVENT, True),
    ("{ $.number[2] = 1e-3 }", EVENT, True),
    ("{ $.number[2] != 1e+3 }", EVENT, True),
    ("{ $.number[1] < 10e-3 }", EVENT, False),
    ("{ $.bandwidth < +1000 }", EVENT, True),
    ("{ $.small > -1 }", EVENT, True),
    ("{ $.small > -1e-3 }", EVENT, False),
    # IS and NOT EXISTS
    ("{ $.SomeObject IS NULL }", EVENT, True),
    ("{ $.eventType IS NULL }", EVENT, False),
    ("{ $.SomeOtherObject IS NULL }", EVENT, False),
    ("{ $.user IS NULL }", USERS, False),
    ("{ $.ThisFlag IS TRUE }", EVENT, True),
    ("{ $.OtherFlag IS TRUE }", EVENT, False),
    ("{ $.OtherFlag IS FALSE }", EVENT, True),
    ("{ $.ThisFlag IS FALSE }", EVENT, False),
    ("{ $.SomeOtherObject NOT EXISTS }", EVENT, True),
    ("{ $.eventType NOT EXISTS }", EVENT, False),
    ("{ $.user.id NOT EXISTS }", USERS, False),
    # Compound expressions: () > && > ||
    ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', USERS, True),
    ('{ ($.user.id = 1) && ($.users[0].email = "Jane.Doe@example.com") }', USERS, False),
    (f'{{ {STILES} || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }}', USERS, True),
    (f'{{ ({STILES} || $.coordinates[0][1] = "nonmatch") && $.actions[2] = "nonmatch" }}', USERS, False),
    ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', USERS, False),
    ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "DELETE" }', USERS, True),
    ("{ $.coordinates[1][2] = 6 }", USERS, True),
    ("{ $.coordinates[1][2] = 5 }", USERS, False),
    # Words, phrases, regular expressions
    ("ERROR", BAD_REQUEST, True),
    ("ERROR", "Exiting with ERRORCODE: -1", True),
    ("ERROR", "error", False),
    ("ERROR ARGUMENTS", MISSING_ARGUMENTS, True),
    ("ERROR ARGUMENTS", BAD_REQUEST, False),
    ("?ERROR ?ARGUMENTS", BAD_REQUEST, True),
    ("?ERROR ?ARGUMENTS", "[INFO] ARGUMENTS", True),
    ("?ERROR ?ARGUMENTS", "[INFO] REQUEST", False),
    ("?ERROR ?ARGUMENTS REQUEST", "[INFO] REQUEST FAILED", True),
    ("?ERROR ?ARGUMENTS REQUEST", "[ERROR 419] MISSING ARGUMENTS", False),
    ("?ERROR -ARGUMENTS", "[INFO] REQUEST FAILED", True),
    ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
    ('"INTERNAL SERVER ERROR"', "[ERROR 500] SERVER ERROR, INTERNAL", False),
    ("ERROR -ARGUMENTS", BAD_REQUEST, True),
    ("ERROR -ARGUMENTS", MISSING_ARGUMENTS, False),
    ('" "', BAD_REQUEST, True),
    ('" "', "oneword", True),
    ("", BAD_REQUEST, True),
    ("", EVENT, True),
    ("", "", True),
    ("%AUTHORIZED%", UNAUTHORIZED, True),
    ("%AUTHORIZED%", "[ERROR 401] unauthorized", False),
    ("%^[hc]at%", "hat", True),
    ("%^[hc]at%", "a hat", False),
    ("%[hc]at$%", "a cat", True),
    ("%[hc]at$%", "cats", False),
    ("%colou?r%", "color", True),
    ("%a{3,5}%", "aa", False),
    ("%a{3,5}%", "aaa", True),
    ("%^a{,2}$%", "aa", True),
    ("%^a{,2}$%", "aaa", False),
    ("%^a{2,}$%", "aaa", True),
    ("%^a{2,}$%", "a", False),
    ("%^starting|^initializing|^shutting down%", "shutting down now", True),
    ("%^starting|^initializing|^shutting down%", "skipping initializing", False),
    (r"%\[.\]%", "[@]", True),
    (r"%\[.\]%", "[]", False),
    (r"%10\.10\.0\.1%", "10.10.0.1", True),
    (r"%10\.10\.0\.1%", "10010,051", False),
    ("%ab[0-9]*%", "ab129", True),
    ("%ab+c%", "ac", False),
    (r"%\d\D%", "٣x", False),
    (r"%^\w+$%", "a_1", True),
    (r"%^\w+$%", "é", False),
    (r"%a\sb%", "a\tb", True),
    (r"%a\Sb%", "a\tb", False),
    (r"%\x28%", "(", True),
    (r"%\x3A%", ";", False),
    # Space-delimited fields
    (
        r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
        APACHE,
        True,
    ),
    (
        r"[ip=%127\.0\.1\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
        APACHE,
        False,
    ),
    ("[ip, user, username, timestamp, request =*.gif*, status_code = 4*, bytes]", APACHE, False),
    ('[ip, user, username, timestamp="10/Oct/*-0700", request = "GET *", ...]', APACHE, True),
    ('[ip, user, username, timestamp="[10/Oct/*", ...]', APACHE, False),
    ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", APACHE, True),
    ("[..., request =*.html*, status_code = 4*, bytes]", APACHE, True),
    ("[..., request =*.html*, status_code = 5*, bytes]", APACHE, False),
    ("[..., request=*.html*, status_code=4*,]", APACHE, True),
    ("[ip, user, ..., status_code = 404, bytes]", APACHE, True),
    ("[ip, user = Test, ..., status_code = 404, bytes]", APACHE, False),
    ("[ip, user = Prod, ...]", APACHE, True),
    ("[ip, user, username, timestamp, request, status_code, bytes > 1000]", APACHE, True),
    ("[ip, user, username, timestamp, request, status_code, bytes > 1534]", APACHE, False),
    (
        "[ip, user, username, timestamp, request =*.html*, status_code = 404 || status_code = 410, bytes]",
        APACHE,
        True,
    ),
    (
        "[ip, user, username, timestamp, request, status_code = 403 || status_code = 410, bytes]",
        APACHE,
        False,
    ),
    ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 403, bytes]", APACHE, True),
    (
        "[ip, user, username, timestamp, request, status_code = 4* && status_code != 404, bytes]",
        APACHE,
        False,
    ),
    ("[w1=ERROR, w2]", "ERROR message", True),
    ("[w1=ERROR, w2]", FAILED, True),
    ("[w1=ERROR, w2]", PART, False),
    ("[w1=ERROR || w1=WARNING, w2]", FAILED, True),
    ("[w1=ERROR || w1=WARNING, w2]", PART, False),
    ("[w1!=ERROR && w1!=WARNING, w2]", PART, True),
    ("[w1!=ERROR && w1!=WARNING, w2]", FAILED, False),
    (
        "[logLevel, date, time, method, url=%/service/resource/[0-9]+/part/[0-9]+$%, response_time]",
        PART,
        True,
    ),
    ("[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]", PART, False),
]

# AWS's own tools and benchmarks use these, or somebody reported what AWS did.
SEEN = [
    # https://github.com/DataBiosphere/azul/issues/5884
    (
        '{($.errorCode = "AccessDenied") && ($.userIdentity.invokedBy != "cloudfront.amazonaws.com")}',
        '{"errorCode": "AccessDenied", "userIdentity": {"accountId": "anonymous"}}',
        False,
    ),
    # CIS AWS Foundations Benchmark, as Security Hub checks it
    (
        "{($.eventSource=kms.amazonaws.com) && (($.eventName=DisableKey) || ($.eventName=ScheduleKeyDeletion))}",
        '{"eventSource": "kms.amazonaws.com", "eventName": "DisableKey"}',
        True,
    ),
    (
        '{$.userIdentity.type="Root" && $.userIdentity.invokedBy NOT EXISTS && $.eventType !="AwsServiceEvent"}',
        '{"userIdentity": {"type": "Root"}, "eventType": "AwsApiCall"}',
        True,
    ),
    # The CDK's FilterPattern.exists("$.latency"), beside a metric of that number
    ('{ $.latency = "*" }', '{"latency": 50}', True),
    # The console's format for Lambda, where a log line goes on for many words
    ('[timestamp=*Z, request_id="*-*", event]', "2026-01-01T00:00:00Z\t1-2-3\tINFO\tone two", True),
    ('[timestamp=*Z, request_id="*-*", event]', "START RequestId: 1-2-3 Version: 1", False),
    # Serverless Framework's example of a sign before a phrase, and of escaped quotes
    ('"Total amount" -"level=DEBUG"', "level=DEBUG Total amount", False),
    ('"Total amount" -"level=DEBUG"', "level=INFO Total amount", True),
    (r'"\"level\":\"ERROR\""', '{"level":"ERROR"}', True),
]

# AWS is silent here. The module's docstring says what we decided.
DECIDED = [
    # NOT EXISTS is about the path, not about the value
    ("{ $.a NOT EXISTS }", '{"a": null}', False),
    ("{ $.a NOT EXISTS }", '{"a": {}}', False),
    ("{ $.a NOT EXISTS }", '{"a": []}', False),
    ("{ $.a[0] NOT EXISTS }", '{"a": []}', True),
    ("{ $.a[0] NOT EXISTS }", '{"a": [{}]}', False),
    ("{ $.a.b NOT EXISTS }", '{"a": "text"}', True),
    ("{ $.a.b NOT EXISTS }", '{"a": null}', True),
    ("{ $.a[*] NOT EXISTS }", '{"a": []}', True),
    ("{ $.a[*] NOT EXISTS }", '{"a": [null]}', False),
    # Booleans and null are neither texts nor numbers
    ('{ $.a = "true" }', '{"a": true}', False),
    ("{ $.a = 1 }", '{"a": true}', False),
    ('{ $.a != "x" }', '{"a": true}', False),
    ('{ $.a = "*" }', '{"a": null}', False),
    ('{ $.a != "x" }', '{"a": null}', False),
    ("{ $.a IS TRUE }", '{"a": "true"}', False),
    ("{ $.a IS TRUE }", '{"a": 1}', False),
    ("{ $.a IS FALSE }", '{"a": 0}', False),
    # Numbers and texts
    ("{ $.a = 400 }", '{"a": 400.0}', True),
    ("{ $.a = 400 }", '{"a": "400"}', True),
    ("{ $.a = 400 }", '{"a": "400.0"}', False),
    ("{ $.a != 400 }", '{"a": "400.0"}', True),
    ('{ $.a = "400" }', '{"a": 400}', True),
    ('{ $.a = "400" }', '{"a": 400.0}', False),
    ("{ $.a > 1 }", '{"a": "2"}', False),
    ("{ $.a < 3 }", '{"a": "2"}', False),
    ("{ $.a = %^4[0-9]{2}$% }", '{"a": 404}', True),
    ("{ $.a = 9007199254740993 }", '{"a": 9007199254740992}', False),
    ("{ $.a = 1e99999999999999999999 }", '{"a": 1}', False),
    ("{ $.a > 1 }", '{"a": 1e99999999999999999999}', True),
    ('{ $.a = "" }', '{"a": ""}', True),
    ('{ $.a = "*" }', '{"a": ""}', True),
    # A star in the middle, and nothing that makes it literal
    ('{ $.a = "Ev*ent" }', '{"a": "Ev-and-ent"}', True),
    ('{ $.a = "a*a" }', '{"a": "a"}', False),
    ('{ $.a = "*aba*aba*" }', '{"a": "ababa"}', False),
    ('{ $.a = "*aba*aba*" }', '{"a": "abaaba"}', True),
    (r'{ $.a = "\*" }', r'{"a": "\\x"}', True),
    (r'{ $.a = "\*" }', '{"a": "x"}', False),
    (r'{ $.a = "say \"hi\" \\ *" }', r'{"a": "say \"hi\" \\ you"}', True),
    # A wildcard asks for one value that holds; each wildcard is for its own kind
    ('{ $.a[*] != "x" }', '{"a": ["x", "y"]}', True),
    ('{ $.a[*] != "x" }', '{"a": ["x"]}', False),
    ('{ $.a[*] != "x" }', '{"a": []}', False),
    ('{ $.a[*].b = "x" }', '{"a": [{}, {"b": "x"}]}', True),
    ('{ $.a.* = "x" }', '{"a": ["x"]}', False),
    ('{ $.a[*] = "x" }', '{"a": {"x": "x"}}', False),
    ('{ $.a[*] = "x" }', '{"a": "x"}', False),
    ('{ $.a[*] = "*" }', '{"a": 1}', False),
    ("{ $.['*'] = x }", '{"a": "x"}', False),
    ("{ $.['*'] = x }", '{"*": "x"}', True),
    ('{ $.* = "x" }', '{"a": {"b": "x"}}', False),
    ('{ $.*.b = "x" }', '{"a": {"b": "x"}}', True),
    ("{ $.['a.*b[*]'] = x && $.a.*=y || $.*=z || $.c[*]=x}", '{"a.*b[*]": "x", "c": ["x"]}', True),
    # Only a JSON object is a JSON log event
    ("{ $.a NOT EXISTS }", "plain text", False),
    ("{ $.a NOT EXISTS }", "[]", False),
    ("{ $.a NOT EXISTS }", "42", False),
    ("{ $.a NOT EXISTS }", "null", False),
    ("{ $.a NOT EXISTS }", "", False),
    ("{ $.a NOT EXISTS }", '{"b": NaN}', False),
    ("{ $.a NOT EXISTS }", '{"b": 1} trailing', False),
    ("{ $.a NOT EXISTS }", ' {"b": 1}\n', True),
    ("{ $.a = 2 }", '{"a": 1, "a": 2}', True),
    # Layout
    ("{$.a=1&&$.b=2}", '{"a": 1, "b": 2}', True),
    ("  { $.a = 1\n}  ", '{"a": 1}', True),
    ("{ ((($.a = 1))) }", '{"a": 1}', True),
    ("{ $.a-b_1 = IS }", '{"a-b_1": "IS"}', True),
    (" \t", "anything", True),
    # Words
    ("?ERROR", "INFO", False),
    ("-ERROR", "INFO", True),
    ('?"a b" ?c', "a b", True),
    ("-%E.R%", "ERR", False),
    ('-" "', "anything", False),
    ('"*"', "no star", False),
    # Fields: the last takes the rest, ... takes none or more, too few words never match
    ("[a, b]", "one", False),
    ("[a, b = two*three]", "one two  three ", True),
    ('[a, b = "two three"]', 'one "two three"', True),
    ('[a, b = "two three"]', "one [two three]", True),
    ('[a, b = "[two"]', "one [two", True),
    ("[a, b = two, c]", 'one"two three"', False),
    ("[..., a = x]", "x", True),
    ("[..., a = x]", "x y", False),
    ("[a = x, ...]", "x y z", True),
    ("[...]", "", True),
    ("[a]", "", False),
    ("[a,]", "one", False),
    ("[a = 200]", "200.0", True),
    ("[a > 5]", "six", False),
    ("[a != 5]", "six", True),
    ("[a = 1 || a = 2 && a = 3]", "1", True),
]

# Each with the column, and what was expected there.
REFUSED = [
    # AWS says so
    ("{ $.a EXISTS }", 7, "NOT EXISTS"),
    ("{ $.a IS NOT NULL }", 10, "NULL, TRUE or FALSE; found NOT; AWS has NOT only in NOT EXISTS"),
    ("{ $.a[*].* = 1 }", 3, "one wildcard"),
    ("{ $.a[*]=1 || $.b[*]=1 || $.c[*]=1 || $.d[*]=1 }", 39, "at most 3"),
    ("{ $.a = %x% || $.b = %y% || $.c = %z% }", 35, "at most 2"),
    ("[a=%x%, b=%y%, c=%z%]", 18, "at most 2"),
    ("%something!%", 1, "regular expression"),
    ("%(a|b)%", 1, "regular expression"),
    ("%é%", 1, "regular expression"),
    (r"%\xe9%", 1, "regular expression"),
    (r"%\x4%", 1, "regular expression"),
    ("é", 1, '"any text"'),
    ("x" * 1025, 1025, "at most 1024"),
    ('{ $.a = "é" && $.b = é }', 22, '"any text"'),
    ("{ $.a = us-east-1 }", 9, '"any text"'),
    ("foo-bar", 1, '"any text"'),
    ("java.lang.Exception", 1, '"any text"'),
    # https://github.com/ministryofjustice/modernisation-platform-environments/pull/5137
    (r"%\(a\)%", 1, "regular expression"),
    # https://github.com/awsdocs/amazon-cloudwatch-logs-user-guide/issues/21
    ("[..., status_code = 4* && bytes > 1000]", 27, "status_code again"),
    # It is no pattern at all
    ("{", 2, "a selector"),
    ("{ }", 3, "a selector"),
    ("{ $.a = 1", 10, "}"),
    ("{ $.a = 1 \n", 10, "}"),
    ("{ ($.a = 1 }", 12, ")"),
    ("{ $.a = 1 ) }", 11, "}"),
    ("{ $.a = 1 } foo", 13, "nothing more"),
    ("{ $.latency = * } metricValue: $.latency", 19, "nothing more"),
    ("{ $.a = 1 $.b = 2 }", 11, "&&"),
    ("{ $.a = 1 & $.b = 2 }", 11, "&&"),
    ("{ eventName = RunTask }", 3, "a selector such as $.eventName"),
    ("{ $eventName = RunTask }", 3, "a selector such as $.eventName"),
    ("{ $ = 1 }", 3, "a selector"),
    ("{ $[0] = 1 }", 3, "a selector"),
    ("{ $.a[x] = 1 }", 6, "= or !="),
    ("{ $.a[-1] = 1 }", 6, "= or !="),
    ("{ $.a..b = 1 }", 6, "= or !="),
    ("{ $.a b = 1 }", 7, "= or !="),
    ('{ "a": 1 }', 3, "a selector"),
    ("{ $.a }", 7, "= or !="),
    ("{ $.a = }", 9, "a number"),
    ("{ $.a == 1 }", 8, "a number"),
    ("{ $.a = 'x' }", 9, '"any text"'),
    ('{ $.a = "x }', 9, '"any text"'),
    ("{ $.a = $.b }", 9, '"any text"'),
    ("{ $.a = %% }", 9, "regular expression"),
    ("{ $.a = %x }", 9, "regular expression"),
    ("{ !($.a = 1) }", 3, "a selector"),
    ("{ $.a NOT NULL }", 11, "EXISTS"),
    ("{ $.a ISNULL }", 7, "NULL"),
    ("{ $.a IS NULLS }", 10, "NULL"),
    ("{ $.a IN (1, 2) }", 7, "join comparisons with ||"),
    ("{ $.a > x }", 9, "a number"),
    ('{ $.a > "5" }', 9, "a number"),
    ("{ $.a >= 4* }", 10, "a number"),
    ("{ $.a < %4% }", 9, "a number"),
    ("[]", 2, "a field name"),
    ("[a, b", 6, "]"),
    ("[a b]", 4, "a comma"),
    ("[a = ]", 6, "a number"),
    ("[a = 1 || = 2]", 11, "a field name"),
    ("[a] b", 5, "nothing more"),
    ("? ERROR", 1, "a word"),
    ("ERROR?", 1, "a word"),
    ("ERROR %a", 7, "regular expression"),
    ('ERROR "a', 7, '"any text"'),
    ("100%", 1, "a word"),
    # Our choice: AWS shows capitals only, one ellipsis, no parentheses between brackets
    ("{ $.a is NULL }", 7, "IS with"),
    ("{ $.a IS null }", 10, "NULL"),
    ("{ $.a not exists }", 7, "NOT EXISTS"),
    ("[..., a, ...]", 10, "... once"),
    ("[(a = 1 || a = 2) && a = 3]", 2, "a field name"),
    ("[w1=ERROR || W1=WARNING, w2]", 14, "w1 again"),
    # Our choice: what engines read differently, and what Python's cannot read
    ("%[[a]]%", 1, "regular expression"),
    ("%[a||b]%", 1, "regular expression"),
    ("%[a--b]%", 1, "regular expression"),
    ("%a*+%", 1, "regular expression"),
    ("%a]%", 1, "regular expression"),
    ("%a{x}%", 1, "regular expression"),
    (r"%\bword%", 1, "regular expression"),
    (r"%\1%", 1, "regular expression"),
    ("%[z-a]%", 3, "bad character range z-a"),
    ("-%x{3,2}%", 5, "min repeat greater than max repeat"),
]


def rows(table: list[tuple]):
    return pytest.mark.parametrize(("pattern", "message", "expected"), table)


@rows(DOCUMENTED)
def test_what_aws_documents(pattern, message, expected):
    """A pattern on AWS's page matches what the page says it matches, and not what differs in one point."""
    assert matches(pattern, message) is expected


@rows(SEEN)
def test_what_was_seen_on_aws(pattern, message, expected):
    """Patterns that are in use, and reports of what AWS did with them, hold here too."""
    assert matches(pattern, message) is expected


@rows(DECIDED)
def test_what_we_decided(pattern, message, expected):
    """Where AWS says nothing, the answer is the one in the module's docstring."""
    assert matches(pattern, message) is expected


@pytest.mark.parametrize(("pattern", "column", "expected"), REFUSED, ids=[row[0][:60] for row in REFUSED])
def test_what_aws_refuses(pattern, column, expected):
    """A refusal is a ValueError that names the column and what was expected there."""
    with pytest.raises(ValueError, match=rf"^filter pattern, column {column}: expected ") as refusal:
        matches(pattern, "any message")
    assert isinstance(refusal.value, PatternError)
    assert refusal.value.column == column
    assert expected in refusal.value.problem


def test_a_pattern_may_have_1024_characters():
    """AWS's limit itself is allowed."""
    assert matches("x" * 1024, "x" * 2000)


def test_a_pattern_is_read_once():
    """The local log group asks for the same pattern with every message."""
    assert compile_pattern("{ $.a = 1 }") is compile_pattern("{ $.a = 1 }")


# The pattern of the product's subscription, and two simpler ones that would do less.
INSTALLED = (
    '{ ($.eventName = "RunTask") && (($.errorCode = "*") || ($.responseElements.failures[0].reason = "*")'
    " || ($.responseElements.tasks[0].taskArn NOT EXISTS)) }"
)
WITHOUT_ARN = '{ ($.eventName = "RunTask") && ($.responseElements.tasks[0] NOT EXISTS) }'
WITHOUT_TASKS = (
    '{ ($.eventName = "RunTask") && (($.responseElements.failures[0].reason = "Capacity is unavailable*")'
    ' || ($.errorCode = "*")) }'
)
NOTHING_PLACED = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}
PLACED = {"tasks": [{"taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/a"}], "failures": []}
PARTLY_PLACED = {"tasks": PLACED["tasks"], "failures": NOTHING_PLACED["failures"]}


@pytest.mark.parametrize(
    ("pattern", "record", "expected"),
    [
        (INSTALLED, {"responseElements": NOTHING_PLACED}, True),
        (INSTALLED, {"responseElements": PARTLY_PLACED}, True),
        (INSTALLED, {"responseElements": PLACED}, False),
        (INSTALLED, {"responseElements": {"tasks": [], "failures": []}}, True),
        (INSTALLED, {"responseElements": {"tasks": [{"clusterArn": "c"}], "failures": []}}, True),
        (INSTALLED, {"responseElements": {}}, True),
        (INSTALLED, {"responseElements": None, "errorCode": "ThrottlingException"}, True),
        (INSTALLED, {"responseElements": None}, True),
        (INSTALLED, {"responseElements": PLACED, "errorCode": None}, False),
        (INSTALLED, {"eventName": "StopTask", "errorCode": "AccessDenied"}, False),
        (INSTALLED, {"eventName": "runtask", "errorCode": "AccessDenied"}, False),
        (WITHOUT_ARN, {"responseElements": NOTHING_PLACED}, True),
        (WITHOUT_ARN, {"responseElements": PLACED}, False),
        (WITHOUT_ARN, {"responseElements": PARTLY_PLACED}, False),
        (WITHOUT_ARN, {"responseElements": None, "errorCode": "ThrottlingException"}, True),
        (WITHOUT_ARN, {"eventName": "StopTask"}, False),
        (WITHOUT_TASKS, {"responseElements": NOTHING_PLACED}, True),
        (WITHOUT_TASKS, {"responseElements": PLACED}, False),
    ],
)
def test_a_launch_that_failed_is_passed_on(pattern, record, expected):
    """A failure, an error or a missing task is passed on; a placed task and another call are not."""
    assert matches(pattern, json.dumps({"eventName": "RunTask", **record})) is expected


def test_other_text_in_the_log_group_is_not_passed_on():
    """Anybody may write a line about RunTask there."""
    assert not matches(INSTALLED, '"eventName": "RunTask"')
    assert not matches(WITHOUT_ARN, "RunTask plain text")


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        pytest.param("{ $.a NOT EXISTS }", '{"b":' * 100_000, False, id="nesting that never ends"),
        pytest.param("{ $.a NOT EXISTS }", '{"b":' * 100_000 + "1" + "}" * 100_000, False, id="deep nesting"),
        pytest.param("{ $.a NOT EXISTS }", "[" * 1_000_000, False, id="deep lists"),
        pytest.param("{ $.a > 1 }", '{"a": ' + "9" * 100_000 + "}", True, id="more digits than int reads"),
        pytest.param("{ $.a > 1 }", '{"a": 1e' + "9" * 5_000 + "}", True, id="an endless exponent"),
        pytest.param("{ $.a < 1 }", '{"a": 1e-' + "9" * 5_000 + "}", True, id="an endlessly small number"),
        pytest.param('{ $.a = "*" }', '{"a": "\ud800"}', True, id="half a character"),
        pytest.param('{ $.a = "*" }', r'{"a": "\ud800"}', True, id="half a character, escaped"),
        pytest.param("[a, b]", "\ud800 \udfff", True, id="half characters between spaces"),
        pytest.param(
            '{ $.a = "' + "a*" * 400 + 'b" }', '{"a": "' + "a" * 50_000 + '"}', False, id="many stars"
        ),
        pytest.param("[..., z = 1]", '[ " ' * 200_000, False, id="brackets that never close"),
        pytest.param("%[a-z]+[a-z]+$%", "ab" * 100 + "!", False, id="a repeat after a repeat"),
    ],
)
def test_hostile_messages(pattern, message, expected):
    """No message makes matching raise or take more than a moment."""
    assert matches(pattern, message) is expected


# Text with all that Unicode has, half characters too, and text that looks like a pattern or a log event.
any_text = st.text(st.characters(exclude_categories=()), max_size=40)
PIECES = (
    '{ } [ ] ( ) $ $.a $.a[0] $.* $.b[*] .c = != > >= < <= && || , ... ? - * " % 1 1e3 -2.5 x "x*" %x+%'
    " IS NOT EXISTS NULL TRUE FALSE a ^ + | || -- . [a-c] [^ {2} {2,1} \\ \\d \\x41 é"
)
fragments = st.lists(st.sampled_from([*PIECES.split(), "\t", "\n"]), max_size=14)
likely_text = st.builds(str.join, st.sampled_from(["", " "]), fragments)
likely_regex = likely_text.map(lambda text: "%" + text.replace("%", "") + "%")
patterns = (
    any_text | likely_text | likely_regex | likely_text.map("{{{}}}".format) | likely_text.map("[{}]".format)
)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ax1*"),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from("abc"), children, max_size=3)
    ),
)
messages = any_text | likely_text | documents.map(json.dumps)
every_kind = st.sampled_from([row[0] for row in DOCUMENTED + SEEN + DECIDED])


def answer(pattern, message):
    try:
        return matches(pattern, message)
    except PatternError as refusal:
        return refusal


@given(patterns, messages)
def test_any_pattern_is_read_or_refused(pattern, message):
    """No text given as a pattern fails in any other way than by PatternError at one of its columns."""
    match answer(pattern, message):
        case PatternError(column=column) as refusal:
            assert 1 <= column <= len(pattern) + 1
            assert str(refusal).startswith(f"filter pattern, column {column}: expected ")
        case found:
            assert isinstance(found, bool)


@given(every_kind, messages)
def test_any_message_is_matched_or_not(pattern, message):
    """No text given as a message makes a good pattern raise."""
    assert isinstance(matches(pattern, message), bool)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_a_star_stands_for_any_text(pattern, text):
    """The linear matcher of wildcards agrees with the regular expression that says the same."""
    reference = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
    assert matches(f'{{ $.a = "{pattern}" }}', json.dumps({"a": text})) is (reference is not None)


facts = st.sampled_from(
    [("$.yes = 1", "True"), ("$.yes != 1", "False"), ("$.no NOT EXISTS", "True"), ("$.no = 1", "False")]
)


@given(st.lists(st.tuples(st.sampled_from([("&&", "and"), ("||", "or")]), facts), max_size=6), facts)
def test_and_binds_tighter_than_or(rest, first):
    """Without parentheses a pattern reads like Python's and, or."""
    ours, pythons = [first[0]], [first[1]]
    for (sign, word), (fact, truth) in rest:
        ours += [sign, fact]
        pythons += [word, truth]
    assert matches("{" + " ".join(ours) + "}", '{"yes": 1}') is eval(" ".join(pythons))


nested = st.recursive(
    facts,
    lambda parts: st.builds(
        lambda left, sign, right: (
            f"({left[0]}) {sign[0]} ({right[0]})",
            f"({left[1]}) {sign[1]} ({right[1]})",
        ),
        parts,
        st.sampled_from([("&&", "and"), ("||", "or")]),
        parts,
    ),
    max_leaves=6,
)


@given(nested)
def test_parentheses_bind_tightest(expression):
    """With parentheses too."""
    ours, pythons = expression
    assert matches("{" + ours + "}", '{"yes": 1}') is eval(pythons)


@given(st.sampled_from("xyz"), st.sampled_from("xyz"), st.sampled_from("xyz"), st.sampled_from("xyz"))
def test_de_morgan(a, b, x, y):
    """Of fields that are there, not (p and q) is (not p or not q), and the other way round."""
    message = json.dumps({"a": a, "b": b})
    both, either = f"{{ $.a = {x} && $.b = {y} }}", f"{{ $.a = {x} || $.b = {y} }}"
    neither, not_both = f"{{ $.a != {x} && $.b != {y} }}", f"{{ $.a != {x} || $.b != {y} }}"
    assert matches(both, message) is not matches(not_both, message)
    assert matches(either, message) is not matches(neither, message)
    assert matches(both, message) is (a == x and b == y)


@given(st.integers(), st.integers())
def test_numbers_compare_by_value(number, bound):
    """Integers of any size compare exactly, as Python's do."""
    message = json.dumps({"n": number})
    assert matches(f"{{ $.n > {bound} }}", message) is (number > bound)
    assert matches(f"{{ $.n >= {bound} }}", message) is (number >= bound)
    assert matches(f"{{ $.n < {bound} }}", message) is (number < bound)
    assert matches(f"{{ $.n <= {bound} }}", message) is (number <= bound)
    assert matches(f"{{ $.n = {bound} }}", message) is (number == bound)
    assert matches(f"{{ $.n != {bound} }}", message) is (number != bound)
    assert matches(f"[n > {bound}]", str(number)) is (number > bound)


@given(documents)
def test_nothing_both_exists_and_not(document):
    """What a comparison, IS or an element finds, NOT EXISTS denies; an empty object or array is the rest."""
    message = json.dumps({"a": document})
    assert not matches("{ $.a NOT EXISTS }", message)
    found = any(
        matches(pattern, message)
        for pattern in ('{ $.a = "*" }', "{ $.a IS NULL }", "{ $.a IS TRUE }", "{ $.a IS FALSE }")
    )
    assert found is not isinstance(document, (dict, list))


@given(
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=6),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_an_ellipsis_takes_what_the_others_leave(words, before, after):
    """[x, ..., x] asks for as many words as it names at either end, and for no more."""
    pattern = "[" + ", ".join(["x"] * before + ["..."] + ["x"] * after) + "]"
    assert matches(pattern, " ".join(words)) is (len(words) >= before + after)


@given(st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3), st.text("ab ", max_size=8))
def test_words_are_all_in_the_message(words, message):
    """Plain terms are an and, question marks an or, and minus signs a nor."""
    assert matches(" ".join(words), message) is all(word in message for word in words)
    assert matches(" ".join(f"?{word}" for word in words), message) is any(word in message for word in words)
    assert matches(" ".join(f"-{word}" for word in words), message) is not any(
        word in message for word in words
    )
