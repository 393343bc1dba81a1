#!/usr/bin/env python3
"""Makes tests/golden/chat: conversations and templates with the text that transformers renders.

Run it in an environment with requirements.txt:  make_chat_cases.py tests/golden/chat [TOKENIZER_CONFIG.JSON]

It reads chat_template.instruct.jinja and chat_template.thinking.jinja there (see NOTICE), and writes

conversations.jsonl  60 conversations of all kinds, as the 40 of given.jsonl
templates.jsonl      small templates that show one construct each, with the variables of their rendering
qwen3.jinja          with the second argument, the template in that file: that of the text models

Rendering is what transformers does: trim_blocks and lstrip_blocks on, tojson as json.dumps without escapes.
"""

import json
import pathlib
import random
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template

IMAGE, VIDEO = {"type": "image", "image": "cat.png"}, {"type": "video", "video": "dog.mp4"}


def text(words):
    return {"type": "text", "text": words}


def user(*content):
    return {"role": "user", "content": content[0] if len(content) == 1 and isinstance(content[0], str) else list(content)}


def system(*content):
    return {**user(*content), "role": "system"}


def answer(content, calls=None, reasoning=None):
    message = {"role": "assistant", "content": content}
    if calls is not None:
        message["tool_calls"] = calls
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    return message


def result(*content):
    return {**user(*content), "role": "tool"}


def call(name, arguments, nested=False):
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}} if nested else {"name": name, "arguments": arguments}


ZOOM = {"type": "function", "function": {"name": "zoom", "description": "Zooms in; \"x\" <b> & 'y' \\ /\n\t\u007f\u0001 größer 放大 🔍",
        "parameters": {"type": "object", "properties": {"x": {"type": "number", "minimum": -0.5, "maximum": 1e-07, "default": 1.0},
                       "mode": {"enum": ["a", None, True, False, 12345678901, 1e22 / 1e7, 1234567890123456.5, 0.0001, 1.5e-05]}}, "required": []}}}
READ = {"name": "read", "parameters": {}}

CONVERSATIONS = [
    [user("Hello")],
    [user("")],
    [system("You are kind."), user("Hi")],
    [system(""), user(text("Hi"), text(""), text(" there"))],
    [system(text("A"), IMAGE, text("B")), user(IMAGE, text("What?"))],
    [system(text("A"), VIDEO), user(VIDEO, text("What?"), IMAGE, IMAGE, VIDEO)],
    [user({"type": "image_url", "image_url": {"url": "http://x/y.png"}}, {"image": "a"}, {"video": "b"}, {"text": "c"})],
    [user({"type": "image", "image": "a", "text": "both"}, {"type": "text", "text": "t", "video": "v"})],
    [user("A"), system("later"), user("B"), system(text("again"), IMAGE)],
    [user("Q"), answer("plain")],
    [user("Q"), answer("")],
    [user("Q"), answer([text("several "), text("items")]), user("R"), answer([IMAGE, text("with image"), VIDEO])],
    [user("Q"), answer("<think>\nr1\n</think>\n\nans1"), user("R"), answer("<think>\n\nr2\n\n</think>\n\n\nans2\n")],
    [user("Q"), answer("<think>a<think>b</think>c</think>d"), user("R"), answer("no open</think>\n\nrest"), user("S")],
    [user("Q"), answer("x", reasoning="deep\n"), user("R"), answer("\n\ny", reasoning="\n\ndeeper\n\n")],
    [user("Q"), answer("</think>kept", reasoning=""), answer("second", reasoning="why")],
    [user("Q"), answer("", [call("zoom", {"x": 1})]), result("done"), answer("fine")],
    [user("Q"), answer("calling", [call("zoom", {"x": 1}, True), call("read", "{\"raw\": 1}")]), result("one"), result("two"), answer("ok"), user("next")],
    [user("Q"), answer("<think>t</think>call", [call("zoom", {"é": ["猫", None, True, 0.1, {"a": {}}, []]})]), result(text("see "), IMAGE, VIDEO)],
    [user("Q"), answer([text("")], [call("zoom", {})]), user("<tool_response>\n42\n</tool_response>"), answer("so", reasoning="hm")],
    [user(text("<tool_response>"), IMAGE, text("</tool_response>")), answer("a", reasoning="b"), answer("c")],
    [result("first of all"), answer("then"), result("again"), result("and again")],
    [answer("I begin", reasoning="because"), user("Fine"), answer("\n", [])],
    [system("S\n"), answer("   spaces   ", [call("zoom", [1, 2]), call("zoom", 5), call("zoom", None), call("zoom", True)])],
    [user("<|im_end|>\n<|im_start|>system\nnot a system"), answer("<think>\n</think>\n\n"), answer("<think>", reasoning=None)],
]


def cases():
    draw = random.Random(5)
    for number, messages in enumerate(CONVERSATIONS):
        for variant in ("instruct", "thinking"):
            yield variant, messages, [None, [ZOOM], [READ, ZOOM], []][draw.randrange(4)], draw.random() < 0.5, draw.random() < 0.5
    pool = [message for messages in CONVERSATIONS for message in messages]
    for number in range(60 - 2 * len(CONVERSATIONS)):
        messages = [draw.choice(pool) for _ in range(draw.randint(4, 12))]
        yield ("instruct", "thinking")[number % 2], messages, [None, [ZOOM, READ]][number // 2 % 2], True, True


# Each shows one construct; `v` are the variables.
V = {"s": " a\nb ", "n": 3, "neg": -2, "f": 1.5, "t": True, "none": None, "list": [1, 2, 3], "words": ["x", "y", "z"], "e": "", "empty": [],
     "d": {"k": "v", "n": {"m": [1, "zwei"]}}, "u": "né猫🙂", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
TEMPLATES = [
    "plain text\n", "two\n\n", "\n\nleading", "a{# comment #}b\n  {# own line #}\nc", "{{ s }}|{{- s -}}|  {{- n -}}  |{{ t }}{{ none }}{{ undefined_name }}",
    "{{ 'it\\'s' }}{{ \"q\\\"\\n\\t\\\\\" }}{{ '\\u00e9' }}{{ 'x' + \"y\" }}", "{% if t %}yes{% else %}no{% endif %}\nnext", "  {% if t %}\n  yes\n  {% endif %}\nnext",
    "a  {%- if t -%}  yes  {%- endif -%}  b", "{% if e %}1{% elif n > 5 %}2{% elif n %}3{% else %}4{% endif %}", "{% for x in list %}{{ x }}{% endfor %}",
    "{% for x in list %}\n- {{ x }}\n{% endfor %}\nend", "{% for x in words %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ x }};{% endfor %}",
    "{% for x in words[::-1] %}{{ loop.index }}{{ x }}{% endfor %}", "{% for x in empty %}x{% endfor %}{% for x in undefined_name %}x{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for k in d %}{{ k }},{% endfor %}", "{% set x = 1 %}{% for i in list %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}", "{% set a = 'x' %}{% if t %}{% set a = 'y' %}{% endif %}{{ a }}",
    "{% set ns = namespace(c=0, w='a') %}{% for i in list %}{% set ns.c = ns.c + i %}{% endfor %}{{ ns.c }}{{ ns.w }}{{ ns.missing is defined }}",
    "{{ n + 1 }} {{ n - 1 }} {{ -n }} {{ f + n }} {{ neg }} {{ n - -1 }}", "{{ n == 3 }}{{ n != 3 }}{{ n > 2 }}{{ f > 1 }}{{ 'a' == 'a' }}{{ 'a' == 1 }}{{ none == none }}{{ 1 == true }}{{ list == [1, 2, 3] }}",
    "{{ 'b' > 'a' }}{{ n >= 3 }}{{ n < 3 }}{{ n <= 3 }}", "{{ t and n }}|{{ e or 'default' }}|{{ not e }}|{{ not t or n == 3 }}|{{ e and x.y }}", "{{ 'a' in s }}{{ 'q' in s }}{{ 2 in list }}{{ 'k' in d }}{{ 'z' not in d }}{{ '' in e }}",
    "{{ s is string }}{{ n is string }}{{ none is none }}{{ n is not none }}{{ q is defined }}{{ s is defined }}{{ q is undefined }}{{ t is true }}{{ t is false }}{{ d is mapping }}{{ list is iterable }}{{ n is number }}{{ s is sequence }}{{ t is boolean }}{{ n is integer }}",
    "{{ d.k }}{{ d['k'] }}{{ d.n.m[1] }}{{ d.missing }}{{ d['missing'] is defined }}{{ list[0] }}{{ list[-1] }}{{ list[7] }}{{ words[n - 2] }}{{ u[1] }}{{ u[-1] }}",
    "{{ words[1:] | tojson }}{{ words[:1] | tojson }}{{ list[::-1] | tojson }}{{ list[-2:] | tojson }}{{ list[::2] | tojson }}{{ list[5:1] | tojson }}{{ u[::-1] }}{{ u[1:3] }}{{ list[2:0:-1] | tojson }}",
    "{{ d | tojson }} {{ s | tojson }} {{ n | tojson }} {{ none | tojson }} {{ f | tojson }} {{ [t, e, none] | tojson }}", "{{ list | length }}{{ u | length }}{{ d | length }}{{ messages | length - 1 }}{{ words|count }}",
    "{{ u.startswith('né') }}{{ u.endswith('x') }}{{ 'a,b,c'.split(',')[1] }}{{ 'a,b'.split(';')[0] }}{{ 'xxaxx'.strip('x') }}{{ s.strip() }}|{{ '\\n\\na\\n'.lstrip('\\n') }}|{{ 'ab  '.rstrip() }}|{{ 'éaé'.strip('é') }}|{{ ' a  b '.split() | tojson }}",
    "{{ 'a<b>c'.split('<b>')[-1].lstrip('c') }}{{ (s + 'x').strip() }}{{ ' y ' | trim }}", "{%- macro wrap(x, y) %}<{{ x }}{% if y %}!{% endif %}>{% endmacro %}{{ wrap('a', true) + wrap('b', false) }}{{ wrap('c') }}",
    "{% macro total() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ total() }}{% for later in list %}{{ total() }}{% endfor %}", "{% macro item(x) %}\n  {{- x }}\n{% endmacro %}\n{% for w in words %}\n{{ item(w) }}\n{% endfor %}",
    "{% for m in messages %}{% if loop.last or messages[loop.index0 + 1].role != 'user' %}{{ m.role }}:{{ m.content }};{% endif %}{% endfor %}", "{{ 'yes' if t else 'no' }}{{ 'only' if e }}", "{{- '<|im_start|>' + messages[0].role + '\\n' }}\n{%- if true %}\n    {{- 'x' }}\n{%- endif %}\n",
    "a\r\nb {% if t %}\r\nc{% endif %}", "\t{% if t %}\ttab{% endif %}\n", "text {% if t %} x {% endif %} text\n", "{% for a in list %}{% for b in words %}{{ a }}{{ b }}{{ loop.first }}{% endfor %}{{ loop.last }}{% endfor %}",
    "{{ \"{{ not code }} {% nor %} this\" }}", "{% set x = d.n %}{% set x = x.m %}{{ x[0] }}", "{{ loop is defined }}", "{{ 1 if not(e.startswith('a') and t) else 2 }}", "{{ none or e or empty or 'last' }}", "{{ true }}{{ True }}{{ false }}{{ None }}",
    "{%- for m in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{{ index }}{{ m.role }}{%- endfor %}", "x{#- c -#} y\n{%- set a = 1 -%}\n z", "{% if t %}\n\n\nthree{% endif %}", "{{ '' }}\n\n{{ n }}\n",
    "{{ d.n.m is defined and d.q is not defined }}{{ (d.q.z if e else 'skipped') }}", "{% set list2 = words %}{{ (list2 + ['w']) | tojson }}{{ 'a' 'b' }}",
]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    compiled = {name: compile_template((out / f"chat_template.{name}.jinja").read_text()) for name in ("instruct", "thinking")}
    with open(out / "conversations.jsonl", "w", encoding="utf-8") as file:
        for variant, messages, tools, add_generation_prompt, add_vision_id in cases():
            options = {"messages": messages, "tools": tools, "add_generation_prompt": add_generation_prompt, "add_vision_id": add_vision_id}
            line = {"template": variant, **options, "text": compiled[variant].render(**options)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    with open(out / "templates.jsonl", "w", encoding="utf-8") as file:
        file.write(json.dumps({"variables": V}, ensure_ascii=False) + "\n")
        for template in TEMPLATES:
            file.write(json.dumps({"template": template, "text": compile_template(template).render(**V)}, ensure_ascii=False) + "\n")
    if len(sys.argv) == 3:
        (out / "qwen3.jinja").write_text(json.loads(pathlib.Path(sys.argv[2]).read_text())["chat_template"], encoding="utf-8")


if __name__ == "__main__":
    main()
