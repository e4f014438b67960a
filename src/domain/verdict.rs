//! Why something was or was not done: a closed list of reasons with plain words.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($variant:ident $text:literal $words:literal,)+) => {
        /// Why an entry did not begin or ended early, or why a message was not sent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $(#[doc = $words] $variant,)+ }

        impl Reason {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable identifier, as stored and printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The reason in words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|r| r.as_str() == text)
            }
        }
    };
}

reasons! {
    NoConsent "no_consent" "the customer has not agreed to this kind of message on this channel",
    ConsentWithdrawn "consent_withdrawn" "the customer has withdrawn or denied consent",
    NothingToConfirm "nothing_to_confirm" "the consent that its link confirms is not pending: confirmed already, withdrawn, or never asked for",
    TooOld "too_old" "it would have started too far in the past",
    NotInForce "not_in_force" "it happened before the rule was in force",
    SuppressedAddress "suppressed_address" "the address bounced, complained or was erased",
    NoAddress "no_address" "the customer has no address on this channel",
    InvalidAddress "invalid_address" "the customer's address is not one that can be written to",
    ConditionFalse "condition_false" "the rule's condition is false",
    MissingField "missing_field" "the condition reads a field that is missing or of another kind",
    AlreadyEntered "already_entered" "the customer has already been through this rule",
    Exited "exited" "an event of exit_on came first",
    Restarted "restarted" "the trigger came again and started the rule anew",
    Superseded "superseded" "an earlier fact that arrived later took its place",
    QuietHours "quiet_hours" "the channel may not be used at this hour or on this day where the customer lives",
    FrequencyCap "frequency_cap" "the customer has had as many messages of this kind as the policy allows",
    Expired "expired" "it is too late for it to be sent",
    RuleDisabled "rule_disabled" "the rule is disabled",
    RuleDeleted "rule_deleted" "the rule has been deleted",
    RuleChanged "rule_changed" "the rule changed and asks that entries under way end",
    Restricted "restricted" "the customer has asked that their data be kept and not used",
    CustomerDeleted "customer_deleted" "the customer has been erased",
    MissingTemplate "missing_template" "the template does not exist any more",
    RenderFailed "render_failed" "the template cannot be rendered for this customer",
    Refused "refused" "the provider refused this message for good",
    RetriesExhausted "retries_exhausted" "the provider kept asking to try later",
    Undelivered "undelivered" "the provider could not deliver it to the telephone",
    Bounced "bounced" "mail to the address came back: it does not exist, or did not take any for weeks",
    Complained "complained" "the reader called a mail unwanted",
    Manual "manual" "an operator has put the address on the list",
    Cancelled "cancelled" "an operator has cancelled it",
    CannotBeProcessed "cannot_be_processed" "it fails whenever it is tried: see `declic dead-letters list`",
    OutcomeUnknown "outcome_unknown" "the provider may or may not have accepted it",
    Restored "restored" "the database was restored to an earlier point, and it may have been sent before that",
}
