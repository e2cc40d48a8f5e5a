throw new Error("shared code is no function");
