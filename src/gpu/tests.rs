//! tests
pub(super) fn source(_stem: &str) -> Option<&'static str> {
    None
}
