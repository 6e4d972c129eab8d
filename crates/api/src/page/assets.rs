//! The files of `web/`, built in. A test compares this list with the folder.

/// The document that every view starts from.
pub(super) const DOCUMENT: &str = "index.html";

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Path below `/assets/` and content of every file.
        pub(super) const FILES: &[(&str, &[u8])] =
            &[$(($path, include_bytes!(concat!("../../web/", $path)))),*];
    };
}

files![
    "app.js",
    "i18n/de.json",
    "i18n/en.json",
    "img/hero.svg",
    "img/icon.svg",
    "index.html",
    "lib/announce.js",
    "lib/api.js",
    "lib/colour.js",
    "lib/dialog.js",
    "lib/dom.js",
    "lib/form.js",
    "lib/format.js",
    "lib/i18n.js",
    "lib/icons.js",
    "lib/prefs.js",
    "lib/router.js",
    "lib/session.js",
    "style/base.css",
    "style/captions.css",
    "style/forms.css",
    "style/pages.css",
    "style/panels.css",
    "style/room.css",
    "style/tokens.css",
    "views/frame.js",
    "views/home.js",
    "views/login.js",
    "views/reset.js",
];
