//! A vault under a new key, a vault from a backup: at any moment it is the old one, the new one, or
//! says what it is.

use events::{KeyScope, LogId, Position, UserId};
use vault::{Destruction, Opened, Secrets, Vault, VaultError};

use crate::{Place, open, readable, seal, user};

#[tokio::test]
async fn rotation_keeps_every_text_readable_and_every_erasure() {
    for place in Place::each("vault::rotation_keeps_every_text_readable_and_every_erasure").await {
        let vault = place.vault().await;
        let scopes: Vec<KeyScope> = (1..2500).map(user).collect();
        let keys = vault.keys_for(&scopes).await.unwrap();
        let sealed = scopes.iter().map(|scope| keys.seal(*scope, "x/1", "Ada").unwrap());
        let sealed: Vec<Vec<u8>> = sealed.collect();
        vault.destroy(&[Destruction::User(UserId::new(9))], Position::new(1)).await.unwrap();
        let rotated = place.secrets.make_next(&place.folder.path().join("secrets")).unwrap();
        assert_eq!(vault.rewrap(&rotated).await.unwrap(), scopes.len() - 1);
        assert!(matches!(
            Vault::open(&place.url, &place.secrets).await,
            Err(VaultError::WrongSecrets)
        ));
        let vault = Vault::open(&place.url, &rotated).await.unwrap();
        for (scope, sealed) in scopes.iter().zip(&sealed) {
            let opened = open(&vault, *scope, sealed).await.unwrap();
            assert_eq!(opened == Opened::Erased, *scope == user(9));
        }
    }
}

/// Another process that runs on with the old key must not store what nobody could open.
#[tokio::test]
async fn who_runs_on_after_a_rotation_is_refused_and_loses_nothing() {
    for place in Place::each("vault::who_runs_on_after_a_rotation_is_refused").await {
        let (vault, running) = (place.vault().await, place.vault().await);
        let sealed = seal(&vault, user(1), "Ada").await;
        seal(&vault, user(2), "Bob").await;
        assert!(readable(&open(&running, user(1), &sealed).await));
        running.check_secrets().await.unwrap();
        let rotated = place.secrets.make_next(&place.folder.path().join("secrets")).unwrap();
        assert_eq!(vault.rewrap(&rotated).await.unwrap(), 2);
        let wrong = |result: Result<(), VaultError>| {
            assert!(matches!(result, Err(VaultError::WrongSecrets)), "{result:?}");
        };
        wrong(running.keys_for(&[user(3)]).await.map(drop));
        // Two texts of one key that is there, and a read of one that is not held.
        wrong(running.keys_for(&[user(2)]).await.map(drop));
        wrong(running.keys(&[user(2)]).await.map(drop));
        wrong(running.give_up(&[user(4)]).await.map(drop));
        wrong(running.check_secrets().await);
        wrong(running.rewrap(&place.secrets).await.map(drop));
        let now = Vault::open(&place.url, &rotated).await.unwrap();
        assert!(readable(&open(&now, user(1), &sealed).await));
        let unknown = now.keys(&[user(3), user(4)]).await.unwrap();
        for scope in [user(3), user(4)] {
            let never = unknown.seal(scope, "x/1", "Cleo");
            assert!(matches!(never, Err(VaultError::KeyMissing { .. })));
        }
    }
}

/// Keys that are made while a rotation runs are of the one or the other, and open afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_made_during_a_rotation_are_not_lost() {
    for place in Place::each("vault::keys_that_are_made_during_a_rotation_are_not_lost").await {
        let (vault, running) = (place.vault().await, place.vault().await);
        vault.keys_for(&(0..2000).map(user).collect::<Vec<_>>()).await.unwrap();
        let making = tokio::spawn(async move {
            let mut sealed = Vec::new();
            for id in 2000.. {
                match running.keys_for(&[user(id)]).await {
                    Ok(keys) => sealed.push((user(id), keys.seal(user(id), "x/1", "Ada").unwrap())),
                    Err(VaultError::WrongSecrets) => return sealed,
                    Err(error) => panic!("{error}"),
                }
            }
            sealed
        });
        let rotated = place.secrets.make_next(&place.folder.path().join("secrets")).unwrap();
        vault.rewrap(&rotated).await.unwrap();
        let now = Vault::open(&place.url, &rotated).await.unwrap();
        for (scope, sealed) in making.await.unwrap() {
            assert!(readable(&open(&now, scope, &sealed).await), "{scope}");
        }
    }
}

#[tokio::test]
async fn an_interrupted_rotation_says_what_to_do() {
    let place = Place::sqlite();
    let folder = place.folder.path().join("secrets");
    let next = place.secrets.make_next(&folder).unwrap();
    place.vault().await.rewrap(&next).await.unwrap();
    let refused = Vault::open(&place.url, &Secrets::open(&folder).unwrap()).await.err().unwrap();
    assert!(refused.to_string().contains("`signcall vault rotate` again"), "{refused}");
    let next = Secrets::open(&folder).unwrap().next().unwrap();
    Vault::open(&place.url, &next).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_not_made_by_looking() {
    for place in Place::each("vault::what_is_not_there_is_not_made_by_looking").await {
        for _ in 0..2 {
            let looked = Vault::open_existing(&place.url, &place.secrets).await;
            assert!(matches!(looked, Err(VaultError::Missing { .. })));
        }
        assert!(!place.folder.path().join("vault.db").exists());
        let sealed = seal(&place.vault().await, user(1), "Ada").await;
        let vault = Vault::open_existing(&place.url, &place.secrets).await.unwrap();
        assert!(readable(&open(&vault, user(1), &sealed).await));
    }
}

/// Each step of a restoring can be the last before the machine goes down.
#[tokio::test]
async fn an_interrupted_restoring_is_named_and_begun_anew() {
    for to in Place::each("vault::an_interrupted_restoring_is_named_and_begun_anew").await {
        let from = Place::sqlite();
        let vault = from.vault().await;
        vault.bind(LogId::from_uuid(uuid::Uuid::nil())).await.unwrap();
        let sealed = seal(&vault, user(1), "Ada").await;
        // What a start that was refused left behind, under other secrets, is no vault in use.
        to.vault().await.close().await;
        let restored = vault.restore_to(&to.url, &from.secrets).await.unwrap();
        restored.give_up(&[user(2)]).await.unwrap();
        restored.close().await;
        for look in [
            Vault::open(&to.url, &from.secrets).await,
            Vault::open_existing(&to.url, &from.secrets).await,
        ] {
            assert!(matches!(look, Err(VaultError::Unfinished)));
        }
        // By now the backup is another one, which knows the key that was given up.
        let later = seal(&vault, user(2), "Bob").await;
        let restored = vault.restore_to(&to.url, &from.secrets).await.unwrap();
        restored.finish_restore().await.unwrap();
        let opened = Vault::open_existing(&to.url, &from.secrets).await.unwrap();
        assert!(readable(&open(&opened, user(1), &sealed).await));
        assert!(readable(&open(&opened, user(2), &later).await));
        for occupied in
            [vault.restore_to(&to.url, &from.secrets).await.map(drop), vault.copy_to(&to.url).await]
        {
            assert!(matches!(occupied, Err(VaultError::Occupied)));
        }
    }
}
