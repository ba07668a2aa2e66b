/// What a broker's sink must know of the pipeline it serves.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// `pipeline.name`: letters, digits, `_` and `-`. Begins every event's ID.
    pub source: String,
    /// How much may be on its way to the broker at once. One event larger than that still goes, alone.
    pub memory_bytes: usize,
}
