//! The API over real HTTP, with SQLite in a folder of its own and the embedded cloud.

mod audit;
mod batch;
mod budgets;
mod changes;
mod creates;
mod fleet;
mod images;
mod inputs;
mod overload;
mod ownership;
mod pages;
mod pause;
mod private_pictures;
mod provider;
mod reads;
mod sharing;
mod sign_in;
mod stops;
mod store;
mod sweeps;
mod tokens;
mod world;
