//! A database for one test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use super::postgres::Postgres;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A database of its own, gone with the test.
pub(crate) struct Database {
    folder: TempDir,
    shared: Option<(Arc<Postgres>, String, String)>,
}

impl Database {
    /// An empty one.
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self { folder: tempfile::tempdir().expect("a folder"), shared: None },
            Kind::Postgres => Self::on(Postgres::shared()),
        }
    }

    /// An empty one on this PostgreSQL. Its key file is made by a start on an embedded database.
    pub(crate) fn on(postgres: Arc<Postgres>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Self { folder, shared: None };
        drop(super::Server::start(&made));
        let name = format!("t{}", Uuid::new_v4().simple());
        let url = postgres.database(&name);
        Self { folder: made.folder, shared: Some((postgres, name, url)) }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("agentsecrets-server.key")
    }

    pub(crate) fn url(&self) -> Option<&str> {
        self.shared.as_ref().map(|(.., url)| url.as_str())
    }

    /// Changes what is stored behind the server's back.
    pub(crate) async fn execute(&self, statement: &str) {
        match &self.shared {
            Some((postgres, name, _)) => drop(postgres.sql(name, statement)),
            None => {
                let file = self.folder.path().join("agentsecrets-server.sqlite");
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
                let pool = sqlx::SqlitePool::connect_with(options).await.expect("the database opens");
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.expect("the statement runs");
                pool.close().await;
            }
        }
    }

    /// Every byte of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &self.shared {
            Some((postgres, name, _)) => postgres.dump(name),
            None => {
                let files = std::fs::read_dir(self.folder.path()).expect("a folder").flatten();
                let of_database = files.filter(|file| file.file_name().to_string_lossy().contains(".sqlite"));
                of_database.flat_map(|file| std::fs::read(file.path()).expect("a file")).collect()
            }
        }
    }
}
