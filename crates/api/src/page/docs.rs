//! `/docs`: the OpenAPI document for people, as one page of plain HTML. It needs no script; a module
//! adds a field to filter by.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::Value;

use crate::openapi;

/// The name under which the page lies among the assets.
pub(super) const PATH: &str = "docs/index.html";

const HEAD: &str = r#"<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Signcall: the API</title>
    <link rel="icon" href="/assets/img/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/assets/style/tokens.css">
    <link rel="stylesheet" href="/assets/style/docs.css">
    <script type="module" src="/assets/docs.js"></script>
  </head>
  <body>
    <main>
"#;
const TAIL: &str = "    </main>\n  </body>\n</html>\n";

static PAGE: LazyLock<String> = LazyLock::new(|| page(openapi::document()));

/// The page.
pub(super) fn html() -> &'static str {
    &PAGE
}

/// Text as HTML has it; what stands between backticks is code.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let pieces = text.replace('"', "&quot;");
    let mut html = String::new();
    for (index, piece) in pieces.split('`').enumerate() {
        let code = index % 2 == 1;
        write!(html, "{}", if code { format!("<code>{piece}</code>") } else { piece.to_owned() })
            .ok();
    }
    html
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn page(document: &Value) -> String {
    let mut page = HEAD.to_owned();
    let about = escaped(text(&document["info"], "description"));
    write!(page, "<h1>The API</h1>\n<p>{about}</p>\n").ok();
    page.push_str(
        "<p><a href=\"/api/v1/openapi.json\">openapi.json</a> · <a href=\"/\">Signcall</a></p>\n",
    );
    page.push_str("<div id=\"filter\"></div>\n");
    let mut by_tag: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            by_tag.entry(tag).or_default().push(shown(path, method, operation));
        }
    }
    for (tag, operations) in by_tag {
        write!(page, "<section>\n<h2>{}</h2>\n{}</section>\n", escaped(tag), operations.concat())
            .ok();
    }
    page.push_str("<section>\n<h2>What webhooks are told</h2>\n");
    for (kind, webhook) in members(&document["webhooks"]) {
        page.push_str(&shown(kind, "post", &webhook["post"]));
    }
    page.push_str("</section>\n<section>\n<h2>Bodies</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        write!(
            page,
            "<details id=\"{name}\"><summary><code>{name}</code> {}</summary>\n{}</details>\n",
            escaped(text(schema, "description")),
            fields(schema)
        )
        .ok();
    }
    page + "</section>\n" + TAIL
}

fn shown(path: &str, method: &str, operation: &Value) -> String {
    let (summary, who) = (text(operation, "summary"), text(operation, "description"));
    let mut html = format!(
        "<details><summary><code class=\"{method}\">{}</code> <code>{}</code> {}</summary>\n<p>{}</p>\n",
        method.to_uppercase(),
        escaped(path),
        escaped(summary),
        escaped(who),
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters: String = parameters
        .map(|one| {
            let (name, place) = (escaped(text(one, "name")), text(one, "in"));
            row([
                format!("<code>{name}</code>"),
                place.to_owned(),
                escaped(text(one, "description")),
            ])
        })
        .collect();
    if !parameters.is_empty() {
        write!(html, "<h3>Takes</h3>\n<table>{parameters}</table>\n").ok();
    }
    for (media_type, content) in members(&operation["requestBody"]["content"]) {
        let optional = operation["requestBody"]["required"] == false;
        let optional = if optional { ", optional" } else { "" };
        writeln!(
            html,
            "<p>Body{optional}: {}, <code>{media_type}</code></p>",
            kind(&content["schema"])
        )
        .ok();
    }
    let answers: String = members(&operation["responses"])
        .map(|(status, answer)| {
            let body = members(&answer["content"])
                .map(|(media_type, content)| match media_type.as_str() {
                    "application/problem+json" => String::new(),
                    "application/json" => kind(&content["schema"]),
                    _ => format!("<code>{media_type}</code>"),
                })
                .collect();
            row([status.clone(), escaped(text(answer, "description")), body])
        })
        .collect();
    write!(html, "<h3>Answers</h3>\n<table>{answers}</table>\n</details>\n").ok();
    html
}

fn row(cells: [String; 3]) -> String {
    let [first, second, third] = cells;
    format!("<tr><th scope=\"row\">{first}</th><td>{second}</td><td>{third}</td></tr>\n")
}

/// The fields of an object, or what the schema is else.
fn fields(schema: &Value) -> String {
    let needed = schema["required"].as_array();
    let rows: String = members(&schema["properties"])
        .map(|(name, field)| {
            let must = needed.is_some_and(|all| all.iter().any(|one| one == name));
            let must = if must { "" } else { "may be left out" };
            row([format!("<code>{name}</code>"), kind(field), must.to_owned()])
        })
        .collect();
    if rows.is_empty() {
        format!("<p>{}</p>\n", kind(schema))
    } else {
        format!("<table>{rows}</table>\n")
    }
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = text(schema, "$ref").rsplit('/').next().filter(|name| !name.is_empty()) {
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("<code>{value}</code>")).collect();
        return values.join(" or ");
    }
    match text(schema, "type") {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["properties"]["data"].is_object() => kind(&schema["properties"]["data"]),
        "integer" | "string" => {
            let ends = [("minimum", "maximum"), ("minLength", "maxLength")];
            let bounds = ends.iter().find_map(|(min, max)| {
                Some(format!(" {}–{}", schema[min].as_u64()?, schema[max].as_u64()?))
            });
            format!("{}{}", text(schema, "type"), bounds.unwrap_or_default())
        }
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_route_and_needs_no_script() {
        let page = html();
        for (path, methods) in members(&openapi::document()["paths"]) {
            assert!(page.contains(&escaped(path)), "{path}");
            for method in methods.as_object().unwrap().keys() {
                assert!(page.contains(&format!("<code class=\"{method}\">")));
            }
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("style=") && !page.contains(" onclick"));
        for name in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
        assert_eq!(escaped("a<b> `c`"), "a&lt;b&gt; <code>c</code>");
    }
}
