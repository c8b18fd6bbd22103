//! The smallest game there is: whoever shouts is heard by all.

use evertick::engine::{Context, Game, Input, Refusal, To};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum In {
    Shout { text: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Out {
    Shouted { from: u32, text: String },
}

pub(crate) struct Square;

impl Game for Square {
    type In = In;
    type Out = Out;
    const NAME: &'static str = "square";

    fn is_stream(_: &In) -> bool {
        true
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<In>) -> Result<(), Refusal> {
        if let Input::Packet { player, packet: In::Shout { text } } = input {
            ctx.send(To::Everyone, &Out::Shouted { from: player.0, text });
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}
}
