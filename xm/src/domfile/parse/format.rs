//! String literals side by side, and the fields of `f''` strings.

use super::super::ast::{ExprKind, Piece};
use super::super::lexer::{self, TokenKind};
use super::super::source::{Fault, text_of};
use super::super::strings::Part;
use super::Parser;

impl Parser<'_> {
    /// Adjacent literals, joined.
    pub(super) fn strings(&mut self) -> Result<ExprKind, Fault> {
        let mut bytes = Vec::new();
        let mut unicode = self.meaning.unicode_literals;
        let mut pieces = Vec::new();
        loop {
            match self.kind() {
                TokenKind::Text(text) => bytes.extend_from_slice(text),
                TokenKind::Unicode(text) => {
                    unicode = true;
                    bytes.extend_from_slice(text);
                }
                TokenKind::Format(parts) => {
                    pieces.push(Piece::Text(std::mem::take(&mut bytes).into()));
                    pieces.extend(self.pieces(parts)?);
                }
                _ => break,
            }
            self.at += 1;
        }
        if !pieces.is_empty() {
            pieces.push(Piece::Text(bytes.into()));
            return Ok(ExprKind::Format(pieces));
        }
        Ok(if unicode { ExprKind::Unicode(text_of(&bytes).into()) } else { ExprKind::Text(bytes.into()) })
    }

    fn pieces(&mut self, parts: &[Part]) -> Result<Vec<Piece>, Fault> {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text.as_slice().into())),
                Part::Field { source, place, conversion, spec } => {
                    let tokens = lexer::tokens_at(source, *place)?;
                    let mut inner = Parser::new(&tokens, self.depth, self.meaning);
                    let value = inner.deeper(Self::whole)?;
                    let spec = self.deeper(|parser| parser.pieces(spec))?;
                    pieces.push(Piece::Value(Box::new(value), *conversion, spec));
                }
            }
        }
        Ok(pieces)
    }

    /// An expression that is all there is.
    fn whole(parser: &mut Parser<'_>) -> Result<super::super::ast::Expr, Fault> {
        let value = parser.expressions()?;
        if *parser.kind() == TokenKind::Newline { Ok(value) } else { Err(parser.unexpected("`}`")) }
    }
}
