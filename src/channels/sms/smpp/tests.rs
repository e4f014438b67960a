//! Tests of the SMPP channel without a message centre.
