//! What a folder of secrets keeps, refuses and survives.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn made() -> (tempfile::TempDir, Secrets) {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
    (folder, secrets)
}

#[test]
fn what_was_made_opens_again_with_the_same_fingerprint() {
    let (folder, secrets) = made();
    let again = Secrets::open(&folder.path().join("secrets")).unwrap();
    assert_eq!(again.fingerprint(), secrets.fingerprint());
    assert_eq!(again.pepper(), secrets.pepper());
    assert_ne!(made().1.fingerprint(), secrets.fingerprint());
}

#[test]
fn nothing_is_overwritten_and_nothing_missing_is_made_up() {
    let (folder, _secrets) = made();
    let folder = folder.path().join("secrets");
    assert!(matches!(Secrets::init(&folder), Err(VaultError::SecretsExist { .. })));
    fs::remove_file(folder.join(COOKIE)).unwrap();
    assert!(matches!(Secrets::open(&folder), Err(VaultError::SecretsMissing { .. })));
    let nowhere = folder.join("nowhere");
    assert!(matches!(Secrets::open(&nowhere), Err(VaultError::SecretsMissing { .. })));
    assert!(!Secrets::exist(&nowhere) && Secrets::exist(&folder));
}

#[test]
fn files_that_others_can_read_are_refused() {
    let (folder, _secrets) = made();
    let file = folder.path().join("secrets").join(NAME_DIGEST);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = Secrets::open(&folder.path().join("secrets")).err().unwrap();
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "abc").unwrap();
    let refused = Secrets::open(&folder.path().join("secrets")).err().unwrap();
    assert!(matches!(refused, VaultError::SecretsMalformed { .. }));
}

#[test]
fn names_that_compare_equal_have_one_digest_in_each_domain() {
    let (_folder, secrets) = made();
    assert_eq!(secrets.username_digest("ＡＤＡ"), secrets.username_digest(" ada"));
    assert_eq!(secrets.email_digest("Ada@Example.org "), secrets.email_digest("ada@example.org"));
    assert_ne!(secrets.username_digest("ada"), secrets.email_digest("ada"));
    assert_ne!(made().1.username_digest("ada"), secrets.username_digest("ada"));
    assert_ne!(secrets.body_digest(b"{}"), secrets.body_digest(b"{ }"));
}

#[test]
fn cookies_are_ours_or_nobodys() {
    let (_folder, secrets) = made();
    let signed = secrets.sign_cookie("device.12");
    assert_eq!(secrets.verify_cookie(&signed), Some("device.12"));
    assert_eq!(secrets.verify_cookie(&signed.replace("12", "13")), None);
    assert_eq!(made().1.verify_cookie(&signed), None);
    assert_eq!(secrets.verify_cookie("device"), None);
}

#[test]
fn a_rotation_changes_the_key_encryption_key_alone() {
    let (folder, secrets) = made();
    let folder = folder.path().join("secrets");
    let rotated = secrets.make_next(&folder).unwrap();
    assert_ne!(rotated.fingerprint(), secrets.fingerprint());
    assert_eq!(rotated.username_digest("ada"), secrets.username_digest("ada"));
    assert_eq!(rotated.pepper(), secrets.pepper());
}

#[test]
fn a_rotation_ends_in_the_same_folder_and_can_be_begun_anew() {
    let (folder, secrets) = made();
    let folder = folder.path().join("secrets");
    let given_up = secrets.make_next(&folder).unwrap();
    let rotated = secrets.make_next(&folder).unwrap();
    let between = Secrets::open(&folder).unwrap();
    assert_eq!(between.fingerprint(), secrets.fingerprint());
    assert_eq!(between.next().unwrap().fingerprint(), rotated.fingerprint());
    assert_ne!(given_up.fingerprint(), rotated.fingerprint());
    Secrets::adopt_next(&folder).unwrap();
    let after = Secrets::open(&folder).unwrap();
    assert_eq!(after.fingerprint(), rotated.fingerprint());
    assert!(after.next().is_none());
}

#[test]
fn a_folder_whose_making_was_interrupted_is_gone_on_with() {
    let (folder, secrets) = made();
    let folder = folder.path().join("secrets");
    fs::remove_file(folder.join(KEY_ENCRYPTION)).unwrap();
    fs::remove_file(folder.join(COOKIE)).unwrap();
    // What a killed process leaves of a key is in nobody's way, and goes with the next rotation.
    let half = folder.join(format!("{COOKIE}.0123456789abcdef.tmp"));
    fs::write(&half, "abc").unwrap();
    let again = Secrets::init(&folder).unwrap();
    assert_eq!(again.pepper(), secrets.pepper());
    assert_eq!(again.username_digest("ada"), secrets.username_digest("ada"));
    assert_eq!(Secrets::open(&folder).unwrap().fingerprint(), again.fingerprint());
    again.make_next(&folder).unwrap();
    assert!(!half.exists());
    // A copy that was interrupted takes what is there for its own only if it is.
    let copy = folder.with_file_name("copy");
    again.copy_to(&copy).unwrap();
    fs::remove_file(copy.join(KEY_ENCRYPTION)).unwrap();
    again.copy_to(&copy).unwrap();
    assert_eq!(Secrets::open(&copy).unwrap().fingerprint(), again.fingerprint());
    assert!(matches!(made().1.copy_to(&copy), Err(VaultError::SecretsExist { .. })));
}

#[test]
fn two_who_make_the_same_folder_do_not_mix_their_keys() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("secrets");
        let made: Vec<_> = std::thread::scope(|scope| {
            let makers = [(); 4].map(|()| scope.spawn(|| Secrets::init(&folder)));
            makers.map(|maker| maker.join().unwrap()).into_iter().flatten().collect()
        });
        let there = Secrets::open(&folder).unwrap().fingerprint();
        assert!(!made.is_empty() && made.iter().all(|made| made.fingerprint() == there));
    }
}

#[test]
fn a_key_from_elsewhere_takes_the_place_of_the_one_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, file) = (folder.path().join("secrets"), folder.path().join("key"));
    fs::write(&file, format!("{}\n", "ab".repeat(KEY_BYTES))).unwrap();
    let given = || KeyEncryption::read(&file).unwrap();
    let secrets = Secrets::init_with(&folder, Some(given())).unwrap();
    assert!(!folder.join(KEY_ENCRYPTION).exists());
    assert!(Secrets::exist_with(&folder, true) && !Secrets::exist(&folder));
    let again = Secrets::init_with(&folder, Some(given()));
    assert!(matches!(again, Err(VaultError::SecretsExist { .. })));
    let opened = Secrets::open_with(&folder, Some(given())).unwrap();
    assert_eq!(opened.fingerprint(), secrets.fingerprint());
    let without = Secrets::open(&folder).err().unwrap().to_string();
    assert!(without.contains("SIGNCALL_KEY_ENCRYPTION_KEY"), "{without}");
    let copy = folder.with_file_name("copy");
    opened.copy_to(&copy).unwrap();
    assert!(!copy.join(KEY_ENCRYPTION).exists(), "a backup does not hold it");
    let short = KeyEncryption::parse("abc", "SIGNCALL_KEY_ENCRYPTION_KEY").err().unwrap();
    assert!(short.to_string().starts_with("SIGNCALL_KEY_ENCRYPTION_KEY is not a key"), "{short}");
}
