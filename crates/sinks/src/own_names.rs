use std::fmt;
use std::sync::Arc;

use event::TableName;

use crate::Error;
use crate::template::Template;

/// Patterns of topics or subjects that some tables have of their own, in place of the sink's.
#[derive(Clone, Default)]
pub struct OwnNames {
    patterns: Vec<String>,
    number_of: Option<Arc<NumberOf>>,
}

type NumberOf = dyn Fn(&TableName) -> Option<usize> + Send + Sync;

/// The same, read.
#[derive(Clone, Default)]
pub(crate) struct OwnTemplates {
    templates: Vec<Template>,
    number_of: Option<Arc<NumberOf>>,
}

impl OwnNames {
    /// These patterns, and which of them a table's events go by, if by any.
    pub fn new(
        patterns: Vec<String>,
        number_of: impl Fn(&TableName) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        Self { patterns, number_of: Some(Arc::new(number_of)) }
    }

    pub(crate) fn read(
        &self,
        read: impl Fn(&str) -> Result<Template, String>,
    ) -> Result<OwnTemplates, Error> {
        let option = |reason| Error::Option { option: "[[table]] topic", reason };
        let templates = self.patterns.iter().map(|pattern| read(pattern)).collect::<Result<_, _>>();
        Ok(OwnTemplates { templates: templates.map_err(option)?, number_of: self.number_of.clone() })
    }
}

impl OwnTemplates {
    /// The table's, if it has one of its own.
    pub(crate) fn of(&self, table: &TableName) -> Option<&Template> {
        self.templates.get(self.number_of.as_ref()?(table)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter()
    }
}

impl fmt::Debug for OwnNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnNames").field(&self.patterns).finish()
    }
}

impl fmt::Debug for OwnTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnTemplates").field(&self.templates).finish()
    }
}
