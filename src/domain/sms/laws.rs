//! stand-in
pub const STOP_CONFIRMATION: &str = "stop-confirmation";
pub fn stop_keyword(text: &str) -> Option<&'static str> {
    (text == "STOP").then_some("STOP")
}
pub fn confirms_stop(_country: Option<&str>) -> bool {
    true
}
