//! A server as a process of its own, the databases it can stand on, and the people who use it.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod people;
pub(crate) mod postgres;
pub(crate) mod process;

pub(crate) use client::{Answer, Client};
pub(crate) use database::{Database, Kind};
pub(crate) use people::{Person, Team};
pub(crate) use process::Server;
