//! Which layer wins, what is refused and in which words, and that no secret is shown.

use super::*;

fn file(text: &str) -> Result<Options, toml::de::Error> {
    toml::from_str(text)
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let flags = Options { listen: Some(([127, 0, 0, 1], 1).into()), ..Options::default() };
    let file = file("listen = \"127.0.0.1:2\"\nnats_replicas = 3\ndata = \"/srv/s\"").unwrap();
    let config = flags.over(file, &[]).unwrap();
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.nats_replicas, 3);
    assert_eq!(config.secrets, Path::new("/srv/s/secrets"));
    assert_eq!(config.database.to_string(), "sqlite:/srv/s/tables.db");
    assert_eq!(config.log_level, "info");
}

#[test]
fn unknown_names_and_bad_values_are_named() {
    let unknown = file("listn = \"127.0.0.1:2\"").unwrap_err().to_string();
    assert!(unknown.contains("listn") && unknown.contains("listen"), "{unknown}");
    let bad = file("database = \"mysql://me:pa55@host/x\"").unwrap_err().to_string();
    assert!(bad.contains("postgres://") && bad.contains("mysql://me:(hidden)@host/x"), "{bad}");
    let role = "api,chief".parse::<Roles>().unwrap_err();
    assert!(role.contains("chief") && role.contains("recognizer"), "{role}");
    let of = |name: &str| Variables::sort([(name.into(), "1".into())].into_iter());
    assert_eq!(of("SIGNCALL_LISTN").unknown, ["SIGNCALL_LISTN"]);
    for fine in ["SIGNCALL_LISTEN", "SIGNCALL_API_LOCK_S", "HOME"] {
        assert!(of(fine).unknown.is_empty(), "{fine}");
    }
}

#[test]
fn no_secret_is_shown() {
    let text = "nats_password = \"pa55\"\ndatabase = \"postgres://me:pa55@host/x?password=pa55&a=1\"\n\
                log = \"nats://u:pa55@host:4222\"";
    let config = Options::default().over(file(text).unwrap(), &[]).unwrap();
    let shown = toml::to_string(&config).unwrap() + &format!("{config:?}");
    assert!(!shown.contains("pa55"), "{shown}");
    assert!(shown.contains("postgres://me:(hidden)@host/x?a=1"), "{shown}");
    assert_eq!(config.nats_password.unwrap().expose(), "pa55");
}

#[test]
fn the_key_encryption_key_has_one_place_and_is_not_shown() {
    let key = "ab".repeat(32);
    let of = |text: &str| Options::default().over(file(text).unwrap(), &[]).unwrap();
    let config = of(&format!("key_encryption_key = {key:?}"));
    let shown = toml::to_string(&config).unwrap() + &format!("{config:?}");
    assert!(!shown.contains(&key), "{shown}");
    config.check().unwrap();
    assert!(config.key_encryption().unwrap().is_some());
    let wrong = of("key_encryption_key = \"abc\"").key_encryption().err().unwrap().to_string();
    assert!(wrong.contains("key_encryption_key is not a key"), "{wrong}");
    let both = of(&format!("key_encryption_key = {key:?}\nkey_encryption_file = \"/run/key\""));
    let both = both.check().unwrap_err().to_string();
    assert!(both.contains("key_encryption_file") && both.contains("name one"), "{both}");
}

#[test]
fn what_is_shown_can_be_read_again() {
    let config = Options::default().over(Options::default(), &[]).unwrap();
    let again =
        file(&toml::to_string(&config).unwrap()).unwrap().over(Options::default(), &[]).unwrap();
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
}

#[test]
fn roles_that_need_each_other_run_together_on_the_embedded_log() {
    let with = |roles: &str, log: &str| {
        let options = Options {
            roles: Some(roles.parse().unwrap()),
            log: Some(log.parse().unwrap()),
            ..Options::default()
        };
        options.over(Options::default(), &[]).unwrap().check()
    };
    with("api,decider", "embedded").unwrap();
    with("projector", "embedded").unwrap();
    with("api", "nats://127.0.0.1:4222").unwrap();
    let alone = with("api", "embedded").unwrap_err().to_string();
    assert!(alone.contains("api without decider"), "{alone}");
    assert!(with("decider,recognizer", "embedded").is_err());
    assert!(with("", "embedded").is_err());
}

#[test]
fn the_http_side_has_the_same_layers() {
    let text = "[api]\nbcrypt_cost = 4\nlock_after = 3\n[api.throttles.chat]\nburst = 5";
    let variables = [
        ("SIGNCALL_API_LOCK_AFTER".to_owned(), "4".to_owned()),
        ("SIGNCALL_API_LOCK_S".to_owned(), "9".to_owned()),
    ];
    let flags = Options {
        api_set: vec![
            api_table::assignment("lock_s=7").unwrap(),
            api_table::assignment("allowed_origins=[\"https://a.example\"]").unwrap(),
        ],
        ..Options::default()
    };
    let api = flags.over(file(text).unwrap(), &variables).unwrap().api;
    assert_eq!((api.bcrypt_cost, api.lock_after, api.lock_s), (4, 4, 7));
    assert_eq!(api.throttles.chat.burst, 5);
    assert_eq!(api.throttles.chat.per_minute, api::ApiConfig::default().throttles.chat.per_minute);
    assert_eq!(api.allowed_origins, ["https://a.example"]);
}

#[test]
fn unknown_names_of_the_http_side_are_named() {
    let wrong = |text: &str, variables: &[(String, String)]| {
        let error = Options::default().over(file(text).unwrap(), variables).unwrap_err();
        format!("{error:#}")
    };
    assert!(wrong("[api]\nbcrypt_costs = 4", &[]).contains("bcrypt_costs"));
    assert!(wrong("[api]\nbcrypt_cost = \"x\"", &[]).contains("bcrypt_cost"));
    let variable = [("SIGNCALL_API_LOCK".to_owned(), "4".to_owned())];
    assert!(wrong("", &variable).contains("SIGNCALL_API_LOCK"));
    assert!(api_table::assignment("lock_s").is_err());
}

#[test]
fn limits_of_the_http_side_are_checked_before_anything_starts() {
    let refused = Options::default().over(file("[api]\nbcrypt_cost = 99").unwrap(), &[]);
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("bcrypt_cost is 99; 4 to 16 is allowed"), "{refused}");
}
