//! (being written)
use std::sync::Arc;
use serde_json::Value;
use super::diagnostic::*;
#[derive(Debug, Clone)]
pub struct Templates;
pub fn compile(_f: &[SourceFile], _d: &str) -> (Templates, Vec<Diagnostic>) { (Templates, vec![]) }
impl Templates {
    pub fn names(&self) -> impl Iterator<Item = &str> { std::iter::empty() }
    pub fn contains(&self, _n: &str) -> bool { true }
    pub fn resolve(&self, _n: &str, _l: &str) -> Option<Arc<Template>> { None }
    pub fn by_hash(&self, _n: &str) -> Option<Arc<Template>> { None }
}
#[derive(Debug)]
pub struct Template { pub locale: String, pub hash: String }
impl Template { pub fn render(&self, _c: &Value) -> Result<Rendered, RenderError> { Err(RenderError{message: String::new()}) } }
pub struct Rendered { pub subject: String, pub html: String, pub text: String, pub locale: String }
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RenderError { pub message: String }
