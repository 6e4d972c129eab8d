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
    "call/call.js",
    "call/caption-settings.js",
    "call/captions.js",
    "call/chat.js",
    "call/follow.js",
    "call/log.js",
    "call/people.js",
    "call/shortcuts.js",
    "call/socket.js",
    "call/stage.js",
    "call/toolbar.js",
    "call/transcript.js",
    "call/wire.js",
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
    "lib/table.js",
    "media/devices.js",
    "media/light.js",
    "media/mesh.js",
    "media/peer.js",
    "signs/capture.js",
    "signs/landmarker.js",
    "signs/pose-drop.js",
    "signs/sender.js",
    "signs/sign-dialog.js",
    "signs/sign-status.js",
    "signs/signing.js",
    "signs/wire.js",
    "style/base.css",
    "style/captions.css",
    "style/forms.css",
    "style/pages.css",
    "style/panels.css",
    "style/room.css",
    "style/tokens.css",
    "views/account.js",
    "views/admin-audit.js",
    "views/admin-health.js",
    "views/admin-rooms.js",
    "views/admin-users.js",
    "views/admin.js",
    "views/frame.js",
    "views/home.js",
    "views/in-call.js",
    "views/login.js",
    "views/prejoin.js",
    "views/reset.js",
    "views/room.js",
];
