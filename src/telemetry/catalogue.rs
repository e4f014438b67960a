//! What each metric is, for whoever reads `/metrics`. `docs/metrics.md` says more; tests hold both against the code.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Counters, by name.
const COUNTERS: &[(&str, &str)] = &[
    ("declic_amqp_disconnects_total", "Sessions with the broker that ended."),
    ("declic_bounces_received_total", "Mails and notices taken in as reports, by what they are."),
    ("declic_bounces_settled_total", "Reports that have met their message, by kind."),
    ("declic_consents_total", "Consents that were told and changed something, by channel and status."),
    ("declic_dead_letters_total", "What could not be used and was set aside."),
    (
        "declic_dead_letters_unparked_total",
        "Events set aside that the database would not keep: they are in the queue only.",
    ),
    (
        "declic_domain_pauses_total",
        "Times that a recipient domain asked to try later, several times in a row.",
    ),
    ("declic_email_webhooks_total", "Requests of the provider of e-mail, by what became of them."),
    ("declic_entries_skipped_total", "Entries that were not begun, by rule and reason."),
    ("declic_events_by_type_total", "New events, by type; `other` for what no rule waits for."),
    ("declic_events_total", "Events by origin: taken in, known already, refused."),
    ("declic_messages_decided_total", "Messages that rules decided, by rule, state and reason."),
    ("declic_messages_put_back_total", "Messages given back untried, by channel and reason."),
    ("declic_messages_reclaimed_total", "Hand-overs whose sender died."),
    ("declic_messages_total", "What became of messages at the hand-over."),
    ("declic_outcomes_published_total", "Outcomes that the broker has confirmed."),
    ("declic_panics_total", "Failures of the program about one customer, caught."),
    (
        "declic_provider_pauses_total",
        "Times that sending paused because the provider was out of reach or busy.",
    ),
    ("declic_provider_refusals_total", "Times that the provider refused us."),
    ("declic_provider_replies_total", "Answers of the provider, by channel and what they mean."),
    (
        "declic_retention_rows_total",
        "Rows archived and deleted because their time was over, by kind and phase.",
    ),
    ("declic_rule_reload_failures_total", "Changes of rule files that were refused."),
    ("declic_rule_set_changes_total", "Times that a set of rules came into force, the first included."),
    ("declic_rule_version_failures_total", "Older versions of rules that this program cannot read."),
    ("declic_smpp_deliveries_total", "What the SMS provider delivered, by kind."),
    ("declic_smpp_disconnects_total", "Sessions with the SMS provider that ended."),
    ("declic_smpp_submits_total", "Answers of the SMS provider to submits, by status."),
    ("declic_sms_received_total", "Messages from customers' telephones, by meaning."),
    ("declic_sms_segments_total", "Segments that the SMS provider has taken: each is paid for."),
    ("declic_sms_webhooks_total", "Requests of the SMS provider, by what became of them."),
    ("declic_spans_total", "Spans that a collector has taken, and that were lost."),
    ("declic_unavailable_total", "Times that the database or the broker did not answer."),
    ("process_cpu_seconds_total", "Processor time taken, in whole seconds."),
];

/// Gauges, by name.
const GAUGES: &[(&str, &str)] = &[
    ("declic_amqp_connected", "Whether there is a session with the broker."),
    ("declic_amqp_queue_waiting", "Events waiting in the queue, or in all shards."),
    ("declic_build_info", "Always 1: the version is in the label."),
    ("declic_database_connections", "Connections of this worker's pool, by whether they are busy."),
    ("declic_intake_slowed", "Whether so many messages wait that events are taken in slowly."),
    ("declic_outbox_messages", "Messages that wait or are under way, by state."),
    ("declic_outbox_oldest_seconds", "How long the oldest message that may go is overdue."),
    ("declic_paused", "Whether an operator has paused this: everything, a channel, a rule."),
    ("declic_provider_paused", "Whether nothing is handed over on this channel."),
    ("declic_rules", "Rules in force."),
    ("declic_rules_stale", "Whether the rule files are wrong and older rules in force."),
    ("declic_smpp_sessions", "Sessions bound to the SMS provider."),
    ("declic_timers_oldest_overdue_seconds", "How late the oldest timer is that should have run."),
    ("process_open_fds", "Open files and connections."),
    ("process_resident_memory_bytes", "Memory in use."),
];

/// Histograms, by name.
const HISTOGRAMS: &[(&str, Unit, &str)] = &[
    ("declic_event_age_seconds", Unit::Seconds, "How old an event is when it is taken in."),
    ("declic_event_batch_seconds", Unit::Seconds, "What it takes to decide and commit a batch of events."),
    ("declic_event_batch_size", Unit::Count, "Events in one transaction."),
    ("declic_hand_over_seconds", Unit::Seconds, "What the provider takes for one message."),
    ("declic_rate_wait_seconds", Unit::Seconds, "What senders waited for a limit of rate."),
    ("declic_send_delay_seconds", Unit::Seconds, "From the planned instant of a message to its acceptance."),
];

/// Tells the recorder what each is.
pub(super) fn describe() {
    COUNTERS.iter().for_each(|(name, help)| describe_counter!(*name, *help));
    GAUGES.iter().for_each(|(name, help)| describe_gauge!(*name, *help));
    HISTOGRAMS.iter().for_each(|(name, unit, help)| describe_histogram!(*name, *unit, *help));
}
