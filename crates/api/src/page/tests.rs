//! The page keeps its promises: every file is served, with the right headers; nothing comes from
//! elsewhere; text never becomes markup; both languages say everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use axum::http::Request;
use tower::ServiceExt;

use super::*;

/// Most bytes of the whole page on the wire.
const MAX_WEIGHT: usize = 150 * 1024;
/// Most lines of a module.
const MAX_LINES: usize = 300;

fn texts(ending: &str) -> Vec<(&'static str, &'static str)> {
    let wanted = assets::FILES.iter().filter(|(path, _)| path.ends_with(ending));
    wanted.map(|(path, bytes)| (*path, std::str::from_utf8(bytes).unwrap())).collect()
}

async fn get_with(path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path);
    if let Some(tag) = known {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    answered(request).await
}

async fn answered(request: axum::http::request::Builder) -> Response<Body> {
    routes::<()>(None).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn walk(folder: &FilePath, base: &FilePath, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, base, found);
        } else {
            found.insert(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let base = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let mut there = BTreeSet::new();
    walk(&base, &base, &mut there);
    let listed: BTreeSet<String> =
        assets::FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(there, listed, "the list in page/assets.rs and the folder web/ differ");
}

#[tokio::test]
async fn views_and_files_come_with_type_policy_and_tag() {
    for path in ["/", "/rooms/K3W9QX7TM", "/reset/abc", "/assets/index.html"] {
        let answer = get_with(path, None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
    }
    for (path, _) in assets::FILES {
        let answer = get_with(&format!("/assets/{path}"), None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_ne!(answer.headers()[header::CONTENT_TYPE], "application/octet-stream", "{path}");
        let tag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = get_with(&format!("/assets/{path}"), Some(&tag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    assert_eq!(get_with("/assets/../Cargo.toml", None).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get_with("/assets/no.js", None).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn files_come_compressed_to_who_takes_that_and_the_whole_page_is_small() {
    let mut total = 0;
    for (path, bytes) in assets::FILES {
        let request = Request::get(format!("/assets/{path}"));
        let answer = answered(request.header(header::ACCEPT_ENCODING, "br, gzip")).await;
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
        let body = axum::body::to_bytes(answer.into_body(), bytes.len() + 100).await.unwrap();
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut read).unwrap();
        assert_eq!(read, *bytes, "{path}");
        total += body.len();
    }
    assert!(total <= MAX_WEIGHT, "the page weighs {total} bytes");
    let refusing = Request::get("/").header(header::ACCEPT_ENCODING, "gzip;q=0");
    assert!(!answered(refusing).await.headers().contains_key(header::CONTENT_ENCODING));
}

#[test]
fn nothing_comes_from_elsewhere_and_text_stays_text() {
    for (path, text) in [".js", ".css", ".html"].into_iter().flat_map(texts) {
        for line in text.lines() {
            for banned in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!line.contains(banned), "{path}: {banned}: {line}");
            }
            let foreign = line.contains("://") && !line.contains("http://www.w3.org/2000/svg");
            assert!(!foreign, "{path}: an address of another host: {line}");
        }
        assert!(text.lines().count() <= MAX_LINES, "{path} is too long");
        assert!(text.lines().take(3).any(|line| line.contains("Why:")), "{path} says not why");
    }
}

/// What a message has filled in.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|part| part.split('}').next()).collect()
}

#[test]
fn both_languages_say_everything_that_the_page_asks_for() {
    let languages: BTreeMap<&str, BTreeMap<String, String>> = texts(".json")
        .into_iter()
        .map(|(path, text)| (path, serde_json::from_str(text).unwrap()))
        .collect();
    let keys = |path: &str| languages[path].keys().collect::<BTreeSet<_>>();
    assert_eq!(keys("i18n/en.json"), keys("i18n/de.json"));
    let english = &languages["i18n/en.json"];
    for (key, text) in &languages["i18n/de.json"] {
        assert_eq!(places(text), places(&english[key]), "what is filled into {key:?}");
    }
    for (path, text) in texts(".js") {
        for part in text.split(" t('").chain(text.split("(t('")).skip(1) {
            let key = part.split('\'').next().unwrap();
            let known = english.contains_key(key) || english.contains_key(&format!("{key}.other"));
            let dynamic =
                !part[key.len()..].starts_with("')") && !part[key.len()..].starts_with("',");
            assert!(known || dynamic || key.contains(' '), "{path}: no message {key:?}");
        }
    }
}

#[tokio::test]
async fn an_installed_landmarker_is_served_and_nothing_beside_it() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("landmarker");
    let ask = |path: &'static str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        routes::<()>(Some(&folder)).oneshot(request)
    };
    let about = "/assets/landmarker/package.json";
    assert_eq!(ask(about).await.unwrap().status(), StatusCode::NOT_FOUND, "none is installed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("package.json"), "{}").unwrap();
    std::fs::write(folder.join("a.wasm"), "wasm").unwrap();
    std::fs::write(data.path().join("tables.db"), "secret").unwrap();
    let answer = ask(about).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
    let wasm = ask("/assets/landmarker/a.wasm").await.unwrap();
    assert_eq!(wasm.headers()[header::CONTENT_TYPE], "application/wasm");
    for path in ["/assets/landmarker/../tables.db", "/assets/landmarker/%2e%2e/tables.db"] {
        assert_ne!(ask(path).await.unwrap().status(), StatusCode::OK, "{path}");
    }
    assert_eq!(ask("/assets/app.js").await.unwrap().status(), StatusCode::OK);
}
