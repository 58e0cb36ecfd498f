//! What the store promises, on SQLite and on PostgreSQL alike: each test of the suite runs on both.

mod champions;
mod changes;
#[path = "../database/mod.rs"]
#[expect(dead_code, reason = "no server is stopped here")]
mod database;
mod made;
mod migrations;
mod model_versions;
mod numbers;
mod observations;
mod only_postgres;
mod only_sqlite;
mod pages;
mod retractions;
mod runs;
mod saliencies;
mod search_spaces;
mod tasks;

/// Makes two tests of each function: it is given a new database of either kind.
macro_rules! on_both_databases {
    ($($module:ident { $($promise:ident,)* })*) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    crate::$module::$promise(crate::database::Database::sqlite()).await;
                })*
            })*
        }

        mod postgres {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    crate::$module::$promise(crate::database::Database::postgres().await).await;
                })*
            })*
        }
    };
}

on_both_databases! {
    tasks {
        a_task_is_read_back_as_it_was_created,
        a_name_is_given_once,
        tasks_are_paged_by_name,
        settings_are_replaced,
        policy_changes_at_once_are_all_kept,
        what_a_newer_binary_wrote_is_passed_over,
        an_archived_task_takes_nothing_new,
        the_same_request_again_is_the_same_task,
        a_request_with_another_body_is_refused,
        a_request_that_was_refused_can_be_used,
        a_request_expires,
        the_same_request_sent_at_once_makes_one_task,
        a_row_that_cannot_be_read_is_an_error,
    }
    observations {
        an_observation_is_read_back_as_it_was_sent,
        the_same_measurement_again_changes_nothing,
        another_measurement_of_a_key_is_a_conflict,
        every_part_of_the_key_tells_observations_apart,
        duplicates_in_a_batch_meet_the_first,
        a_batch_does_what_its_observations_do_one_by_one,
        numbers_are_given_per_task,
        an_unknown_task_is_named,
        zero_is_zero_of_either_sign,
        an_empty_batch_changes_nothing,
        the_schema_refuses_what_no_observation_is,
        live_observations_are_counted,
    }
    pages {
        pages_follow_each_other_without_gap_or_overlap,
        each_condition_of_a_filter_holds,
        more_numbers_than_a_statement_has_parameters_can_be_asked_for,
        a_snapshot_never_changes,
        a_snapshot_of_the_future_is_refused,
    }
    numbers {
        writers_at_once_leave_no_gap_and_snapshots_stay,
        a_batch_replayed_at_once_adds_nothing,
        tasks_that_share_architectures_are_written_at_once,
    }
    retractions {
        what_meets_the_filter_is_taken_back,
        a_retraction_needs_a_condition,
        what_was_taken_back_can_be_measured_anew,
        undone_a_retraction_is_recorded_again,
        undoing_twice_changes_nothing,
        what_was_measured_anew_stays_when_a_retraction_is_undone,
        retractions_are_paged,
        a_retraction_of_nothing_is_listed,
    }
    migrations {
        two_that_migrate_at_once_both_start,
        migrating_again_changes_nothing,
        a_check_names_what_is_due_and_does_nothing,
        a_schema_one_expand_step_ahead_is_served,
        a_schema_one_contract_step_ahead_is_refused,
        a_migration_that_was_edited_is_refused,
        what_the_first_schema_kept_is_kept,
        the_binary_before_writes_into_this_schema,
    }
    model_versions {
        the_shipped_checkpoint_becomes_champion_once,
        a_champion_is_seeded_once_by_many,
        a_checkpoint_is_stored_once_for_two_tasks,
        bytes_that_changed_are_found,
        a_task_has_one_champion,
        an_imported_version_is_read_back_as_it_was_sent,
        versions_are_paged_from_the_newest,
        pruning_keeps_the_newest_and_every_past_champion,
        what_is_stored_while_others_prune_is_kept,
    }
    champions {
        a_version_is_promoted_over_the_one_expected,
        of_two_that_promote_at_once_one_wins,
        a_rollback_leads_to_the_champion_before_and_pauses_promotion,
        of_two_that_roll_back_at_once_both_see_one_rollback,
    }
    runs {
        a_run_is_read_back_as_it_went_on,
        a_task_has_one_unfinished_run,
        the_same_request_is_the_same_run,
        claims_at_once_never_give_one_run_twice,
        a_run_whose_lease_ran_out_is_claimed_once,
        a_lease_that_was_lost_writes_nothing,
        a_lease_that_ran_out_is_held_until_somebody_claims_the_run,
        a_run_resumes_from_its_last_stored_state,
        only_a_lease_lost_without_a_newer_state_is_an_attempt,
        a_failed_run_backs_off_and_then_is_dead,
        a_run_is_cancelled,
        archiving_a_task_cancels_its_run,
        a_run_makes_one_version,
        a_run_promotes_only_over_the_champion_it_expected,
        runs_are_paged_from_the_newest,
        a_run_that_cannot_be_read_is_an_error,
        the_schema_refuses_what_no_run_is,
    }
    search_spaces {
        a_space_is_read_back_as_it_was_created,
        a_definition_never_changes,
        the_same_request_is_the_same_space,
        the_same_space_sent_at_once_is_created_once,
        spaces_are_listed_by_name,
        a_task_of_a_created_space_keeps_what_was_measured,
        a_task_of_a_space_that_nobody_created_is_not_kept,
    }
    saliencies {
        saliencies_are_read_back_as_they_were_measured,
        what_was_measured_first_stays,
        every_part_of_the_key_tells_saliencies_apart,
        more_than_a_statement_takes_are_kept,
        two_that_store_the_same_at_once_both_can,
        a_row_of_another_shape_is_an_error,
        the_schema_refuses_what_no_saliencies_are,
    }
    changes {
        a_change_is_heard_of_by_all,
    }
}
