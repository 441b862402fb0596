// A plant in a pot: many thin leaves with the shelf between them.
#include "room.inc"
View(<0, 1.25, -4.6>, <0, 0.95, 0>, 26, 0.08)
#declare S = seed(3);
#macro Leaf(Length, Width, Droop, Colour)
  #local N = 14;
  mesh {
    #local I = 0;
    #while (I < N)
      #local A = I / N;
      #local B = (I + 1) / N;
      #local WA = Width * sin(pi * pow(A, 0.8));
      #local WB = Width * sin(pi * pow(B, 0.8));
      #local PA = <Length * A, Length * (0.9 * A - Droop * A * A), 0>;
      #local PB = <Length * B, Length * (0.9 * B - Droop * B * B), 0>;
      triangle { PA - z * WA + y * WA * 0.3, PB - z * WB + y * WB * 0.3, PA }
      triangle { PB - z * WB + y * WB * 0.3, PB, PA }
      triangle { PA + z * WA + y * WA * 0.3, PB + z * WB + y * WB * 0.3, PA }
      triangle { PB + z * WB + y * WB * 0.3, PB, PA }
      #local I = I + 1;
    #end
    #if (!Mask) pigment { rgb Colour } finish { diffuse 0.8 specular 0.3 roughness 0.05 } #end
  }
#end
#declare Plant = union {
  difference {
    cone { 0, 0.26, y * 0.55, 0.36 }
    cone { y * 0.05, 0.2, y * 0.56, 0.32 }
    #if (!Mask) pigment { rgb <0.62, 0.3, 0.2> } normal { bumps 0.2 scale 0.03 } finish { diffuse 0.75 } #end
  }
  cylinder { y * 0.4, y * 0.48, 0.31 #if (!Mask) pigment { rgb <0.09, 0.06, 0.04> } normal { bumps 1 scale 0.02 } #end }
  #declare I = 0;
  #while (I < 46)
    #local Lean = 20 + 55 * rand(S);
    object {
      Leaf(0.65 + 0.55 * rand(S), 0.022 + 0.03 * rand(S), 0.35 + 0.75 * rand(S), <0.1 + 0.13 * rand(S), 0.32 + 0.3 * rand(S), 0.1>)
      rotate z * (60 - Lean) rotate y * (I * 137.5) translate y * 0.46
    }
    #declare I = I + 1;
  #end
}
Subject(Plant)
#if (!Mask) Room(5) #end
