use std::borrow::Cow;

use encoding_rs::Encoding;
use event::{Bytes, Cell};

/// How characters are written in a column or a statement: what its collation's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// No characters at all, but bytes.
    Binary,
    /// ASCII alone.
    Ascii,
    /// UTF-8, which both `utf8mb3` and `utf8mb4` are.
    Utf8,
    /// UTF-16, most significant byte first; `ucs2` is its beginning.
    Utf16,
    /// UTF-16, least significant byte first.
    Utf16Le,
    /// UTF-32.
    Utf32,
    /// One of those that the web knows too, by a table in which every character is what it is to the server.
    Legacy(&'static Encoding),
    /// Any other one: its texts are handed on as bytes.
    Unknown,
}

impl Charset {
    /// The collation of what is no text.
    pub const BINARY_COLLATION: u16 = 63;

    /// The numbers of MySQL 9.7 and MariaDB 11.8, which do not contradict each other. MariaDB's variants that do not pad
    /// are by 1024 above; its collations of Unicode 14 begin at 2048.
    pub fn of_collation(collation: u16) -> Self {
        match collation {
            63 => Self::Binary,
            11 | 65 | 1035 | 1089 => Self::Ascii,
            33 | 76 | 83 | 192..=223 | 576..=579 | 1057 | 1107 | 1216 | 1238 | 2048..=2303 => Self::Utf8,
            45 | 46 | 224..=247 | 255..=323 | 608..=611 | 1069 | 1070 | 1248 | 1270 | 2304..=2559 => {
                Self::Utf8
            }
            35 | 90 | 128..=159 | 640..=642 | 1059 | 1114 | 1152 | 1174 | 2560..=2815 => Self::Utf16,
            54 | 55 | 101..=124 | 672..=674 | 1078 | 1079 | 1125 | 1147 | 2816..=3071 => Self::Utf16,
            56 | 62 | 1080 | 1086 => Self::Utf16Le,
            60 | 61 | 160..=183 | 736..=738 | 1084 | 1085 | 1184 | 1206 | 3072..=3327 => Self::Utf32,
            // latin1
            5 | 8 | 15 | 31 | 47..=49 | 94 | 1032 | 1071 => Self::Legacy(encoding_rs::WINDOWS_1252),
            // gbk
            28 | 87 | 1052 | 1111 => Self::Legacy(encoding_rs::GBK),
            // latin2
            2 | 9 | 21 | 27 | 77 | 1033 | 1101 => Self::Legacy(encoding_rs::ISO_8859_2),
            // latin7
            20 | 41 | 42 | 79 | 1065 | 1103 => Self::Legacy(encoding_rs::ISO_8859_13),
            // cp1250
            26 | 34 | 44 | 66 | 99 | 1050 | 1090 => Self::Legacy(encoding_rs::WINDOWS_1250),
            // cp1251
            14 | 23 | 50..=52 | 1074 | 1075 => Self::Legacy(encoding_rs::WINDOWS_1251),
            // cp1256
            57 | 67 | 1081 | 1091 => Self::Legacy(encoding_rs::WINDOWS_1256),
            // cp1257
            29 | 58 | 59 | 1082 | 1083 => Self::Legacy(encoding_rs::WINDOWS_1257),
            // koi8r
            7 | 74 | 1031 | 1098 => Self::Legacy(encoding_rs::KOI8_R),
            // macroman
            39 | 53 | 1063 | 1077 => Self::Legacy(encoding_rs::MACINTOSH),
            // cp932
            95 | 96 | 1119 | 1120 => Self::Legacy(encoding_rs::SHIFT_JIS),
            // euckr
            19 | 85 | 1043 | 1109 => Self::Legacy(encoding_rs::EUC_KR),
            _ => Self::Unknown,
        }
    }

    /// The text, unless there is none in these bytes, or nobody here knows how to read it.
    #[inline]
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Ascii => str::from_utf8(bytes).ok().filter(|_| bytes.is_ascii()).map(Cow::Borrowed),
            Self::Legacy(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
            Self::Utf16 => utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
            Self::Utf32 => utf32(bytes).map(Cow::Owned),
            Self::Binary | Self::Unknown => None,
        }
    }

    /// The bytes of a text, unless it has characters that there are not, or nobody here knows how to write it. ASCII is the
    /// same in every set that is not of several bytes each.
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 | Self::Binary => Some(text.as_bytes().to_vec()),
            Self::Ascii | Self::Unknown => text.is_ascii().then(|| text.as_bytes().to_vec()),
            Self::Legacy(encoding) => {
                let (bytes, _, has_unmappable) = encoding.encode(text);
                (!has_unmappable).then(|| bytes.into_owned())
            }
            Self::Utf16 => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Self::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Utf32 => Some(text.chars().flat_map(|next| u32::from(next).to_be_bytes()).collect()),
        }
    }

    /// Text, or bytes where there is none in them.
    #[inline]
    pub(super) fn cell(self, bytes: &[u8]) -> Cell<'_> {
        match self.decode(bytes) {
            Some(text) => Cell::Text(text),
            None => Cell::Bytes(Bytes::Raw(bytes.into())),
        }
    }
}

fn utf16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|bytes| unit(*bytes));
    rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok()).flatten()
}

fn utf32(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<4>();
    let text = || units.iter().map(|bytes| char::from_u32(u32::from_be_bytes(*bytes))).collect();
    rest.is_empty().then(text).flatten()
}
