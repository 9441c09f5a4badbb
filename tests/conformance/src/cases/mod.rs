//! The cases. Each is a function over a [`Target`](crate::Target) that panics when an answer is wrong.

pub mod client;
pub mod nodes;
pub mod transactions;
pub mod watches;
pub mod wire;

use crate::Target;

/// A case.
pub type Case = fn(&Target);

/// Calls a macro with every case: `module name, …`.
#[macro_export]
macro_rules! for_each_case {
    ($apply:ident) => {
        $apply! {
            nodes a_value_may_hold_any_bytes_up_to_the_limit_of_a_frame,
            nodes writing_creates_what_is_missing_above_with_empty_values,
            nodes making_a_node_that_is_there_changes_nothing,
            nodes removing_takes_what_is_below_and_forgives_an_absent_name_but_not_an_absent_parent,
            nodes what_is_absent_is_enoent_for_every_way_of_looking,
            nodes malformed_paths_and_arguments_are_einval,
            nodes a_relative_path_is_below_the_own_directory,
            nodes permissions_are_inherited_set_and_told_in_order,
            nodes malformed_permissions_are_einval,
            nodes a_long_directory_is_e2big_and_comes_in_parts,
            nodes the_generation_of_a_directory_changes_with_its_names,
            transactions changes_are_seen_inside_at_once_and_outside_after_the_commit,
            transactions an_aborted_transaction_never_happened,
            transactions a_change_of_what_was_read_makes_the_commit_eagain,
            transactions a_change_of_what_was_written_makes_the_commit_eagain,
            transactions a_new_node_where_none_was_seen_makes_the_commit_eagain,
            transactions a_new_child_in_a_listed_directory_makes_the_commit_eagain,
            transactions a_change_elsewhere_does_not_disturb,
            transactions numbers_and_words_that_make_no_sense_are_refused,
            transactions a_closed_connection_takes_its_transactions_along,
            watches a_watch_speaks_up_at_once_with_the_words_it_was_given,
            watches changes_at_and_below_are_told_and_others_are_not,
            watches a_change_tells_every_watch_on_its_way_once,
            watches removing_a_directory_is_told_to_watches_below_it,
            watches changes_in_a_transaction_are_told_at_its_commit,
            watches a_relative_watch_hears_relative_paths,
            watches the_same_watch_twice_is_eexist_and_an_unknown_one_enoent,
            watches a_watch_that_was_taken_back_is_silent,
            watches special_paths_can_be_watched,
            watches resetting_drops_all_watches,
            wire requests_in_one_write_are_answered_in_order,
            wire a_request_may_come_byte_by_byte,
            wire unknown_requests_are_refused_and_the_connection_lives,
            wire an_oversized_frame_ends_the_connection,
            wire domains_are_told_by_number,
            wire administration_with_bad_arguments_is_refused,
            client a_batch_is_made_whole_or_not_at_all,
            client concurrent_transactions_lose_no_update,
            client a_directory_of_thousands_is_listed_whole,
            client watches_and_requests_share_a_connection,
            client hundreds_of_requests_are_under_way_at_once
        }
    };
}

macro_rules! table {
    ($($module:ident $name:ident),*) => {
        /// Every case with its name.
        pub const ALL: &[(&str, Case)] = &[$((stringify!($name), $module::$name)),*];
    };
}

for_each_case!(table);
