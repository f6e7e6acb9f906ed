//! The API over real HTTP, with SQLite in a folder of its own and the embedded cloud.

mod changes;
mod creates;
mod fleet;
mod images;
mod inputs;
mod overload;
mod pages;
mod reads;
mod stops;
mod store;
mod sweeps;
mod world;
