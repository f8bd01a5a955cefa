//! Frames of the radios that the slides of July 2016 name.

/// A radio.
#[derive(Clone, Copy, Debug)]
pub struct Radio {
    /// Its name.
    pub name: &'static str,
    /// Octets that a frame carries above its own header.
    pub payload: usize,
}

/// All of them, the widest first. LoRa and Bluetooth carry at least this much.
pub const RADIOS: [Radio; 4] = [
    Radio {
        name: "IEEE 802.15.4",
        payload: 102,
    },
    Radio {
        name: "LoRa",
        payload: 59,
    },
    Radio {
        name: "Bluetooth",
        payload: 23,
    },
    Radio {
        name: "Sigfox",
        payload: 12,
    },
];

impl Radio {
    /// Frames for `octets`, by plain division: no header of a fragment is
    /// counted.
    pub fn frames(&self, octets: usize) -> usize {
        octets.div_ceil(self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_frame_is_one_frame() {
        let [ieee, lora, bluetooth, sigfox] = RADIOS;
        for (radio, payload) in [(ieee, 102), (lora, 59), (bluetooth, 23), (sigfox, 12)] {
            assert_eq!(radio.frames(payload), 1, "{radio:?}");
            assert_eq!(radio.frames(payload + 1), 2, "{radio:?}");
        }
    }
}
