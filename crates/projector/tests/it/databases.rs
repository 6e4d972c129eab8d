//! Empty tables on either database, and scenarios that run on both.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use projector::Store;
use projector::testing::PrivatePostgres;

use crate::world::World;

/// Makes empty tables, as many as a test wants.
pub(crate) enum Databases {
    Sqlite(PathBuf, Cell<u32>),
    Postgres(Arc<PrivatePostgres>),
}

impl Databases {
    pub(crate) fn sqlite(world: &World) -> Self {
        Self::Sqlite(world.folder.path().to_owned(), Cell::new(0))
    }

    pub(crate) async fn postgres(test: &str) -> Option<Self> {
        PrivatePostgres::for_test(test).await.unwrap().map(Self::Postgres)
    }

    pub(crate) async fn url(&self) -> String {
        match self {
            Self::Sqlite(folder, made) => {
                made.set(made.get() + 1);
                format!("sqlite:{}", folder.join(format!("{}.db", made.get())).display())
            }
            Self::Postgres(server) => server.database().await.unwrap(),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url().await).await.unwrap()
    }
}

/// Writes each scenario once and runs it on both databases.
#[macro_export]
macro_rules! on_both {
    ($($scenario:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let world = $crate::world::World::new().await;
                let databases = $crate::databases::Databases::sqlite(&world);
                super::$scenario(world, databases).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let name = concat!(module_path!(), "::", stringify!($scenario));
                let Some(databases) = $crate::databases::Databases::postgres(name).await else { return };
                super::$scenario($crate::world::World::new().await, databases).await;
            }
        )*}
    };
}
