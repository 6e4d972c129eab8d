#!/usr/bin/env python3
"""Writes the generated half of both clients from the server's own OpenAPI document.

    python3 clients/generate.py http://127.0.0.1:8080/api/v1/openapi.json
    python3 clients/generate.py openapi.json --check      exit 1 if the files are old
    … | python3 clients/generate.py -                     the document from standard input

Needs nothing but Python 3.9.
"""

import json
import re
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE / "python/signcall/api.py"
TYPESCRIPT = HERE / "typescript/api.ts"
BASE = "/api/v1"
# Live routes have clients of their own, and cookies are for the page.
LEFT_OUT = {"get_rooms_code_live", "get_rooms_code_events", "post_sessions", "delete_sessions_current"}


def operations(document):
    """Yields (name, method, path, operation) in the order of the document's paths."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            if name not in LEFT_OUT:
                yield name, method.upper(), path[len(BASE) :], operation


def parts(operation):
    """Path, query and header parameters by name, and the kind of the body: json, bytes or none."""
    places = {"path": [], "query": [], "header": []}
    for parameter in operation["parameters"]:
        places[parameter["in"]].append(parameter)
    content = operation.get("requestBody", {}).get("content", {})
    body = "json" if "application/json" in content else "bytes" if content else None
    return places["path"], places["query"], places["header"], body


def answer(operation):
    """The schema of the good answer, if it has one in JSON."""
    for status, found in sorted(operation["responses"].items()):
        if status.startswith("2"):
            return found.get("content", {}).get("application/json", {}).get("schema")
    return None


def needs(document, name):
    """Whether a schema has fields that must be there."""
    return bool(document["components"]["schemas"].get(name, {}).get("required"))


def snake(name):
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def python(document):
    lines = [
        '"""Every route of the API, one method each. Written by clients/generate.py; do not edit."""',
        "",
        "from urllib.parse import quote",
        "",
        "",
        "class Routes:",
        '    """What a client can ask; `Client` brings the connection."""',
        "",
        "    def request(self, method, path, query=None, headers=None, json=None, data=None):",
        "        raise NotImplementedError",
    ]
    for name, method, path, operation in operations(document):
        path_parameters, query, headers, body = parts(operation)
        arguments = ["self"] + [snake(p["name"]) for p in path_parameters]
        if body == "json":
            arguments.append("body" if operation["requestBody"].get("required") else "body=None")
        if body == "bytes":
            arguments += ["data", "media_type"]
        options = [snake(p["name"]) for p in query + headers]
        if options:
            arguments.append("*")
            arguments += [f"{option}=None" for option in options]
        place = re.sub(r"{(\w+)}", lambda m: "{quote(str(" + m.group(1) + "), safe='')}", path)
        quoted = f'f"{place}"' if "{" in place else f'"{place}"'
        passed = [f'"{method}"', quoted]
        if query:
            passed.append("query={" + ", ".join(f'"{p["name"]}": {snake(p["name"])}' for p in query) + "}")
        fixed = [f'"{p["name"]}": {snake(p["name"])}' for p in headers]
        if body == "bytes":
            fixed.append('"Content-Type": media_type')
        if fixed:
            passed.append("headers={" + ", ".join(fixed) + "}")
        if body == "json":
            schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            passed.append("json=body" if needs(document, schema) else "json=body if body is not None else {}")
        if body == "bytes":
            passed.append("data=data")
        lines += ["", f"    def {name}({', '.join(arguments)}):", f'        """{operation["summary"]}. {operation["description"]}"""']
        call = f"        return self.request({', '.join(passed)})"
        if len(call) > 110:
            call = "        return self.request(\n            " + ",\n            ".join(passed) + ",\n        )"
        lines.append(call)
    return "\n".join(lines) + "\n"


def ts_type(schema, depth=0):
    """A schema as a type of TypeScript."""
    if schema is None:
        return "void"
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(ts_type(one, depth) for one in schema[word])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(ts_type({**schema, "type": one}, depth) for one in kind)
    if kind == "array":
        return f"Array<{ts_type(schema.get('items', {}), depth)}>"
    if kind == "object":
        properties = schema.get("properties")
        if not properties:
            return "Record<string, unknown>"
        required = set(schema.get("required", []))
        pad = "  " * (depth + 1)
        fields = [f"{pad}{name}{'' if name in required else '?'}: {ts_type(one, depth + 1)};" for name, one in properties.items()]
        return "{\n" + "\n".join(fields) + "\n" + "  " * depth + "}"
    return {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}.get(kind, "unknown")


def camel(name):
    return re.sub(r"_(\w)", lambda m: m.group(1).upper(), snake(name))


def typescript(document):
    lines = ["// Every route of the API, one method each, and what goes in and comes out.", "// Written by clients/generate.py; do not edit.", ""]
    for name, schema in document["components"]["schemas"].items():
        if schema.get("description"):
            lines.append(f"/** {schema['description']} */")
        lines += [f"export type {name} = {ts_type(schema)};", ""]
    lines += [
        "/** What goes with a request. */",
        "export type Ask = {",
        "  query?: Record<string, string | number | boolean | null | undefined>;",
        "  headers?: Record<string, string | number | null | undefined>;",
        "  json?: unknown;",
        "  data?: Uint8Array;",
        "};",
        "",
        "/** What a client can ask; `Client` brings the connection. */",
        "export abstract class Routes {",
        "  abstract request(method: string, path: string, ask?: Ask): Promise<any>;",
    ]
    for name, method, path, operation in operations(document):
        path_parameters, query, headers, body = parts(operation)
        arguments = [f"{camel(p['name'])}: {'number' if p['schema'].get('$ref') else 'string'}" for p in path_parameters]
        if body == "json":
            request = operation["requestBody"]
            schema = ts_type(request["content"]["application/json"]["schema"])
            arguments.append(f"body: {schema}" if request.get("required") else f"body?: {schema}" if needs(document, schema) else f"body: {schema} = {{}}")
        if body == "bytes":
            arguments += ["data: Uint8Array", "mediaType: string"]
        options = query + headers
        if options:
            fields = "; ".join(f"{camel(p['name'])}?: {ts_type(p['schema']) if p['schema'].get('type') != 'integer' else 'number'}" for p in options)
            arguments.append(f"options: {{ {fields} }} = {{}}")
        place = re.sub(r"{(\w+)}", lambda m: "${encodeURIComponent(" + camel(m.group(1)) + ")}", path)
        ask = []
        if query:
            ask.append("query: { " + ", ".join(f"{p['name']}: options.{camel(p['name'])}" for p in query) + " }")
        fixed = [f"'{p['name']}': options.{camel(p['name'])}" for p in headers]
        if body == "bytes":
            fixed.append("'Content-Type': mediaType")
        if fixed:
            ask.append("headers: { " + ", ".join(fixed) + " }")
        if body == "json":
            ask.append("json: body")
        if body == "bytes":
            ask.append("data")
        tail = f", {{ {', '.join(ask)} }}" if ask else ""
        result = ts_type(answer(operation), 1)
        lines += [
            "",
            f"  /** {operation['summary']}. {operation['description']} */",
            f"  {camel(name)}({', '.join(arguments)}): Promise<{result}> {{",
            f"    return this.request('{method}', `{place}`{tail});",
            "  }",
        ]
    return "\n".join(lines + ["}", ""])


def main(arguments):
    source = arguments[0]
    if source.startswith("http"):
        with urllib.request.urlopen(source) as served:
            document = json.load(served)
    else:
        document = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text())
    old = []
    for place, text in ((PYTHON, python(document)), (TYPESCRIPT, typescript(document))):
        if "--check" in arguments:
            if not place.exists() or place.read_text() != text:
                old.append(place)
        else:
            place.write_text(text)
            print(f"wrote {place}")
    for place in old:
        print(f"{place} is not what the document says: run clients/generate.py without --check", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
