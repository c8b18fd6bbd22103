//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1), which both sides write and read.
//!
//! ```text
//! extension-list = 1#extension
//! extension = extension-token *( ";" extension-param )
//! extension-param = token [ "=" (token | quoted-string) ]
//! ```
//!
//! What an extension means, and whether its parameters make sense, is not known here: for permessage-deflate that is
//! `deflate/negotiation`.

use super::is_token;

/// One extension as it was offered or chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    /// Its registered name.
    pub name: String,
    /// Its parameters in order, with their values where they have one; quotes and escapes are taken off.
    pub parameters: Vec<(String, Option<String>)>,
}

/// A field is not what the grammar says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Reads the value of one field. Empty elements of the list are passed over (RFC 9110 section 5.6.1.2).
///
/// # Errors
/// "If a value is received ... that does not conform to the ABNF below, the recipient of such malformed data MUST
/// immediately _Fail the WebSocket Connection_" (section 9.1).
pub fn read(value: &[u8]) -> Result<Vec<Extension>, Malformed> {
    let mut reader = Reader { rest: value };
    let mut found = Vec::new();
    loop {
        reader.skip_blanks();
        if !matches!(reader.rest.first(), None | Some(b',')) {
            found.push(reader.extension()?);
        }
        match reader.next() {
            None => return Ok(found),
            Some(b',') => {}
            Some(_) => return Err(Malformed),
        }
    }
}

/// Goes over a field's value from its front.
struct Reader<'v> {
    rest: &'v [u8],
}

impl Reader<'_> {
    fn extension(&mut self) -> Result<Extension, Malformed> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.skip(b';') {
            let name = self.token()?;
            let value = if self.skip(b'=') { Some(self.value()?) } else { None };
            parameters.push((name, value));
        }
        Ok(Extension { name, parameters })
    }

    fn value(&mut self) -> Result<String, Malformed> {
        if self.skip(b'"') { self.quoted() } else { self.token() }
    }

    /// "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the 'token'
    /// ABNF" (section 9.1).
    fn quoted(&mut self) -> Result<String, Malformed> {
        let mut text = Vec::new();
        loop {
            match self.next().ok_or(Malformed)? {
                b'"' => break,
                b'\\' => text.push(self.next().ok_or(Malformed)?),
                byte => text.push(byte),
            }
        }
        self.skip_blanks();
        into_token(&text)
    }

    /// A token with the blanks around it.
    fn token(&mut self) -> Result<String, Malformed> {
        self.skip_blanks();
        let separates = |byte: &u8| b",;=\" \t".contains(byte);
        let len = self.rest.iter().position(separates).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.skip_blanks();
        into_token(token)
    }

    fn next(&mut self) -> Option<u8> {
        self.rest.split_off_first().copied()
    }

    /// Takes `byte` off, with the blanks behind it unless it opens a quoted string; false where another stands there.
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
            if byte != b'"' {
                self.skip_blanks();
            }
        }
        found
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

fn into_token(bytes: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
    if is_token(bytes) { Ok(text.to_owned()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extensions of a field, written out in one way.
    fn written(value: &str) -> Result<String, Malformed> {
        let parameter = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!(";{name}={value}"),
            None => format!(";{name}"),
        };
        let extension = |extension: &Extension| {
            extension.name.clone() + &extension.parameters.iter().map(parameter).collect::<String>()
        };
        Ok(read(value.as_bytes())?.iter().map(extension).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn lists_with_blanks_quotes_and_escapes() {
        for (value, want) in [
            ("", ""),
            (" , ,", ""),
            ("a", "a"),
            ("a, b;c ,, d", "a,b;c,d"),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate;client_max_window_bits"),
            ("a ; b = 10\t; c", "a;b=10;c"),
            ("a; b=\"10\"; c", "a;b=10;c"),
            ("a; b=\"1\\0\" , d", "a;b=10,d"),
            ("a; b; b", "a;b;b"),
        ] {
            assert_eq!(written(value).as_deref(), Ok(want), "{value}");
        }
    }

    #[test]
    fn what_is_no_list_of_extensions() {
        for value in [
            ";",
            "a;",
            "a;;b",
            "a; =1",
            "a; b=",
            "a; b=1=2",
            "a b",
            "a/b",
            "=a",
            "a; b c",
            "a; b=\"1",
            "a; b=\"\"",
            "a; b=\"1 0\"",
            "a; b=\"1\\",
            "a; b=\"1\"2",
            "\"a\"",
            "a; \"b\"",
            "a; b=1\"2\"",
            "é",
            "a; b=(1)",
            "a; b=\" 1\"",
        ] {
            assert_eq!(written(value), Err(Malformed), "{value}");
        }
    }
}
