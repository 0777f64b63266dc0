//! Pulls from registries that were made for the test: those that lie, those that are slow, and those with documents that
//! are seldom seen. Through the command line and the daemon, to the end.

mod foreign;
mod formats;
mod lies;
mod platforms;
mod shelf;
mod slow;
mod ways;
